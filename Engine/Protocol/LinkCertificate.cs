using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// What a destination proves itself with: a key of its own that never leaves this process, and a certificate for it that nobody signed. A
/// source knows it by the hash in its offer, which came over the control plane; no name, date or issuer in it is looked at.
/// </summary>
internal sealed class LinkCertificate : IDisposable
{
    private static readonly TimeSpan validity = TimeSpan.FromDays(3650);

    private readonly X509Certificate2 certificate;

    private LinkCertificate(X509Certificate2 certificate)
    {
        this.certificate = certificate;
        Context = SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true);
        Hash = HashOf(certificate);
    }

    /// <summary>The certificate and its key, as a handshake wants them.</summary>
    public SslStreamCertificateContext Context { get; }

    /// <summary>SHA-256 of the certificate, 32 bytes.</summary>
    public byte[] Hash { get; }

    /// <summary>Makes a new key on P-256 and a certificate for it, in memory only.</summary>
    public static LinkCertificate Create()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=VmMigration link", key, HashAlgorithmName.SHA256);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        X509Certificate2 certificate = request.CreateSelfSigned(now.AddDays(-1), now + validity);
        if (!OperatingSystem.IsWindows()) return new(certificate);

        // Schannel signs with no key that it has not stored itself; the store forgets it with the certificate.
        using (certificate)
        {
            return new(X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), password: null));
        }
    }

    /// <summary>SHA-256 of a certificate as it goes over the wire, 32 bytes.</summary>
    public static byte[] HashOf(X509Certificate certificate) => SHA256.HashData(certificate.GetRawCertData());

    /// <inheritdoc/>
    public void Dispose() => certificate.Dispose();
}
