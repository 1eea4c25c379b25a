using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;

namespace VmMigration.Engine.Protocol;

/// <summary>Whether this machine can open TLS 1.3 as both ends, which SslStream cannot everywhere; found by doing it, once.</summary>
internal static class TlsCapability
{
    private static readonly TimeSpan limit = TimeSpan.FromSeconds(10);
    private static readonly Lazy<string?> obstacle = new(() => Try(TlsOpening.AsDestination));

    /// <summary>Why not; null where it can.</summary>
    public static string? Obstacle => obstacle.Value;

    /// <summary>Refuses where it cannot.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.PrerequisiteMissing"/>.</exception>
    public static void Require() => Require(Obstacle);

    /// <inheritdoc cref="Require()"/>
    /// <param name="obstacle">Why not; null where it can.</param>
    internal static void Require(string? obstacle)
    {
        if (obstacle is null) return;
        throw new MigrationException(
            MigrationErrorReason.PrerequisiteMissing, $"This machine cannot protect the connections that carry VMs: {obstacle}",
            "Use a machine whose .NET has TLS 1.3 (Linux with OpenSSL 1.1.1 or later, Windows 11 or Server 2022), or say that plain text"
            + " is wanted: LinkSecurity Plain.");
    }

    /// <summary>Lets both ends meet over the loopback device.</summary>
    /// <param name="open">The handshake of the destination.</param>
    internal static string? Try(Func<Socket, LinkCertificate, LinkTransport> open)
    {
        try
        {
            using var certificate = LinkCertificate.Create();
            using var listening = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listening.Listen(1);
            using var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            near.Connect(listening.LocalEndPoint!);
            using Socket far = listening.Accept();
            using var deadline = new CancellationTokenSource(limit);
            using CancellationTokenRegistration closing = deadline.Token.Register(near.Dispose);
            Task<LinkTransport> accepting = Task.Factory.StartNew(
                () => OpenOrClose(far, certificate, open), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            try
            {
                using LinkTransport source = TlsOpening.AsSource(near, certificate.Hash);
                using LinkTransport destination = accepting.GetAwaiter().GetResult();
                return null;
            }
            finally
            {
                near.Dispose();
                ((Task)accepting).ContinueWith(_ => { }, TaskScheduler.Default).Wait();
            }
        }
        catch (Exception error) when (error is MigrationException or AuthenticationException or CryptographicException
            or NotSupportedException or System.ComponentModel.Win32Exception || LinkTransport.IsBroken(error))
        {
            return error.Message;
        }
    }

    private static LinkTransport OpenOrClose(
        Socket socket, LinkCertificate certificate, Func<Socket, LinkCertificate, LinkTransport> open)
    {
        try
        {
            return open(socket, certificate);
        }
        catch
        {
            // The other end must not wait for what does not come.
            socket.Dispose();
            throw;
        }
    }
}
