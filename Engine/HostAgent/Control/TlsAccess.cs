using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Serilog;

namespace VmMigration.HostAgent.Control;

/// <summary>
/// Mutual TLS 1.3 on a listener: lets in clients whose certificate passes <see cref="ClientCertificateCheck"/>, and logs who was refused
/// and why.
/// </summary>
internal sealed class TlsAccess(AgentCertificates certificates, IReadOnlyCollection<string> clients, ILogger log)
{
    private static readonly TimeSpan handshakeLimit = TimeSpan.FromSeconds(10);

    /// <summary>Under these a connection keeps how its handshake went.</summary>
    private static readonly object letInKey = new();
    private static readonly object refusalKey = new();

    /// <summary>Puts TLS in front of a listener.</summary>
    public void Guard(ListenOptions listener)
    {
        listener.Protocols = HttpProtocols.Http2;

        // Outside of TLS: sees every connection, and afterwards whether the handshake got it through.
        listener.Use(next => connection => WatchAsync(next, connection));
        listener.UseHttps(new TlsHandshakeCallbackOptions
        {
            HandshakeTimeout = handshakeLimit,
            OnConnection = context => ValueTask.FromResult(MakeOptions(context.Connection)),
        });
        listener.Use(next => connection =>
        {
            connection.Items[letInKey] = true;
            return next(connection);
        });
    }

    private async Task WatchAsync(ConnectionDelegate next, ConnectionContext connection)
    {
        try
        {
            await next(connection).ConfigureAwait(false);
        }
        finally
        {
            if (!connection.Items.ContainsKey(letInKey))
            {
                string why = connection.Items.TryGetValue(refusalKey, out object? refusal) ? (string)refusal!
                    : $"it did not complete a TLS 1.3 handshake within {handshakeLimit.TotalSeconds:F0} s";
                log.Warning("Refused {Client} at {Listener}: {Why}", $"{connection.RemoteEndPoint}", $"{connection.LocalEndPoint}", why);
            }
        }
    }

    private SslServerAuthenticationOptions MakeOptions(ConnectionContext connection)
    {
        AgentCertificateSet present = certificates.Present;
        return new()
        {
            EnabledSslProtocols = SslProtocols.Tls13,
            ServerCertificateContext = present.Shown,
            ClientCertificateRequired = true,
            ApplicationProtocols = [SslApplicationProtocol.Http2],

            // A ticket would let a client in again after its authority has been taken out of the file.
            AllowTlsResume = false,
            AllowRenegotiation = false,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            CertificateChainPolicy = MakePassivePolicy(),
            RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
                Admit(connection, certificate as X509Certificate2, chain, present.Authorities),
        };
    }

    private bool Admit(
        ConnectionContext connection, X509Certificate2? certificate, X509Chain? chain, X509Certificate2Collection authorities)
    {
        X509Certificate2Collection sent = chain?.ChainPolicy.ExtraStore ?? [];
        if (ClientCertificateCheck.FindRefusal(certificate, sent, authorities, clients) is { } refusal)
        {
            connection.Items[refusalKey] = certificate is null ? refusal
                : $"{refusal} (subject {certificate.Subject}, issuer {certificate.Issuer}, serial number {certificate.SerialNumber})";
            return false;
        }

        log.Debug("Let in {Client}: {Subject}, serial number {SerialNumber}",
            $"{connection.RemoteEndPoint}", certificate!.Subject, certificate.SerialNumber);
        return true;
    }

    /// <summary>For the chain that the framework builds before it asks; the decision does not rest on it, and it must not reach out.</summary>
    private static X509ChainPolicy MakePassivePolicy() => new()
    {
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        RevocationMode = X509RevocationMode.NoCheck,
        DisableCertificateDownloads = true,
    };
}
