using System.Net;
using System.Net.Sockets;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Tests.Protocol;

/// <summary>Both ends of one connection over the loopback device, in blocking mode.</summary>
internal sealed class LinkPair : IDisposable
{
    private readonly LinkCertificate? certificate;

    public LinkPair(LinkSecurity security)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        near.Connect(listener.LocalEndPoint!);
        Socket far = listener.Accept();
        if (security == LinkSecurity.Plain)
        {
            Source = LinkTransport.Plain(near);
            Destination = LinkTransport.Plain(far);
            return;
        }

        LinkCertificate made = certificate = LinkCertificate.Create();
        Task<LinkTransport> accepting = Task.Factory.StartNew(
            () => TlsOpening.AsDestination(far, made), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Source = TlsOpening.AsSource(near, made.Hash);
        Destination = accepting.GetAwaiter().GetResult();
    }

    public LinkTransport Source { get; }

    public LinkTransport Destination { get; }

    public void Dispose()
    {
        Source.Dispose();
        Destination.Dispose();
        certificate?.Dispose();
    }
}
