using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;

namespace VmMigration.Engine.Hosts.Remote;

/// <summary>Makes the channel to an agent: TLS 1.3 with certificates on both sides, or a unix socket.</summary>
internal static class AgentChannel
{
    /// <summary>Most bytes of one message, either way: some hundred thousand poisoned pages.</summary>
    public const int MaxMessageBytes = 16 << 20;

    // A connection whose other end is gone without a word is noticed after both of them.
    private static readonly TimeSpan pingDelay = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan pingTimeLimit = TimeSpan.FromSeconds(10);

    // Until then a call fails with what the last attempt to connect failed with. By default that grows to two minutes, for which an agent
    // that is back would seem to be gone; the retries of a call take longer than this.
    private static readonly TimeSpan reconnectBackoff = TimeSpan.FromMilliseconds(250);

    /// <summary>Makes the channel; connects nothing yet.</summary>
    /// <param name="options">Where to and with what.</param>
    /// <param name="trusted">Called with the agent's certificate at each connection that is made.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for an address of another kind and where certificates are missing;
    /// <see cref="MigrationErrorReason.AccessDenied"/> for an own certificate that no agent would accept.
    /// </exception>
    public static GrpcChannel Make(RemoteHostOptions options, Action<X509Certificate2> trusted)
    {
        SocketsHttpHandler handler = options.Uri switch
        {
            { IsAbsoluteUri: true, Scheme: "https" } => MakeHandler(options, SecureWith(options, trusted), null),
            { IsAbsoluteUri: true, Scheme: "unix" or "file" } => MakeHandler(options, null, options.Uri.LocalPath),
            _ => throw new MigrationException(MigrationErrorReason.InvalidArgument,
                $"'{options.Uri.OriginalString}' is no address of a host agent.",
                "Give https://name:port, or unix:///path/of/agent.sock for an agent on this machine."),
        };
        string address = handler.ConnectCallback is null ? options.Uri.GetLeftPart(UriPartial.Authority) : "http://localhost";
        return GrpcChannel.ForAddress(address, new()
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = MaxMessageBytes,
            MaxSendMessageSize = MaxMessageBytes,
            InitialReconnectBackoff = reconnectBackoff,
            MaxReconnectBackoff = reconnectBackoff,
        });
    }

    private static SocketsHttpHandler MakeHandler(RemoteHostOptions options, SslClientAuthenticationOptions? security, string? socketPath)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectTimeout = options.ConnectTimeLimit,
            EnableMultipleHttp2Connections = true,
            KeepAlivePingDelay = pingDelay,
            KeepAlivePingTimeout = pingTimeLimit,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            AllowAutoRedirect = false,

            // What the environment says about proxies is meant for the web.
            UseProxy = false,
            UseCookies = false,
        };
        if (security is not null) handler.SslOptions = security;
        if (socketPath is not null) handler.ConnectCallback = (_, cancellationToken) => ConnectAsync(socketPath, cancellationToken);
        return handler;
    }

    private static SslClientAuthenticationOptions SecureWith(RemoteHostOptions options, Action<X509Certificate2> trusted)
    {
        if (options.Certificate is not { } certificate)
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument, $"{options.Uri} needs a certificate of this side.",
                "Give a client certificate with its key; New-MigrationHostCertificate makes one for a lab.");
        }

        if (options.TrustedAuthorities.Count == 0)
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument, $"No authority is trusted to vouch for {options.Uri}.",
                "Give the certificate of the authority that issued the agent's.");
        }

        AgentCertificateCheck.RequireUsable(certificate);
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(options.TrustedAuthorities.ToArray());
        policy.ApplicationPolicy.Add(AgentCertificateCheck.ServerAuthentication);
        return new()
        {
            EnabledSslProtocols = SslProtocols.Tls13,
            ClientCertificateContext = SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true),
            CertificateChainPolicy = policy,
            RemoteCertificateValidationCallback = (_, shown, chain, errors) =>
            {
                bool isTrusted = AgentCertificateCheck.RequireTrusted(options.Uri, shown as X509Certificate2, chain, errors);
                if (isTrusted && shown is X509Certificate2 certificate) trusted(certificate);
                return isTrusted;
            },
        };
    }

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AccessDenied)
        {
            socket.Dispose();
            throw new MigrationException(MigrationErrorReason.AccessDenied, $"This user may not connect to the agent's socket '{path}'.",
                "Run this as a member of the socket's group, or let the agent's administrator change its permissions.", e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
