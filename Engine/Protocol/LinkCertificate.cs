using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// What a destination proves itself with: a key of its own, and a certificate for it that nobody signed. A source knows it by the hash in
/// its offer, which came over the control plane; no name, date or issuer in it is looked at.
/// </summary>
internal sealed class LinkCertificate : IDisposable
{
    /// <summary>How long a certificate in a file is used. Offers made on it can be asked about by their sources for at least that long.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(30);

    // The clocks of hosts differ, and TLS libraries may look at dates that nobody asked them to.
    private static readonly TimeSpan slack = TimeSpan.FromDays(1);
    private static readonly TimeSpan validity = TimeSpan.FromDays(3650);

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

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
        using X509Certificate2 made = Make(DateTimeOffset.UtcNow);
        return Usable(made);
    }

    /// <summary>
    /// Takes the certificate in this file, so that a source can still ask a host that was restarted meanwhile. Where there is none, or it is
    /// older than <see cref="Lifetime"/> or damaged, a new one takes its place. Only the owner may read the file.
    /// </summary>
    /// <param name="path">A file in PEM, with the key and the certificate.</param>
    /// <param name="now">The time, to judge and make the certificate by.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.AccessDenied"/> or <see cref="MigrationErrorReason.SystemCallFailed"/> where it cannot be read or written.
    /// </exception>
    public static LinkCertificate Open(string path, DateTimeOffset now)
    {
        try
        {
            if (File.Exists(path))
            {
                using X509Certificate2? found = TryRead(path);
                if (found is not null && now - found.NotBefore <= Lifetime + slack && now >= found.NotBefore) return Usable(found);
            }

            using X509Certificate2 made = Make(now);
            Write(path, made);
            return Usable(made);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new MigrationException(
                MigrationErrorReason.AccessDenied, $"The host's link certificate '{path}' cannot be used: {error.Message}",
                "Give this user the right to read and write the state directory.", error);
        }
        catch (IOException error)
        {
            throw new MigrationException(
                MigrationErrorReason.SystemCallFailed, $"The host's link certificate '{path}' cannot be used: {error.Message}",
                "See whether the file system of the state directory is healthy.", error);
        }
    }

    /// <summary>SHA-256 of a certificate as it goes over the wire, 32 bytes.</summary>
    public static byte[] HashOf(X509Certificate certificate) => SHA256.HashData(certificate.GetRawCertData());

    /// <inheritdoc/>
    public void Dispose() => certificate.Dispose();

    private static X509Certificate2 Make(DateTimeOffset now)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new CertificateRequest("CN=VmMigration link", key, HashAlgorithmName.SHA256).CreateSelfSigned(now - slack, now + validity);
    }

    /// <summary>The same in the form that this machine's TLS library signs with: Schannel takes no key that it has not stored itself.</summary>
    private static LinkCertificate Usable(X509Certificate2 made) =>
        new(X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), password: null));

    private static X509Certificate2? TryRead(string path)
    {
        try
        {
            return X509Certificate2.CreateFromPemFile(path);
        }
        catch (CryptographicException)
        {
            // Damaged, or not a certificate with its key: as good as none.
            return null;
        }
    }

    private static void Write(string path, X509Certificate2 made)
    {
        using ECDsa key = made.GetECDsaPrivateKey() ?? throw new InvalidOperationException("A certificate was made without its key.");
        string unfinished = path + ".new";
        File.Delete(unfinished);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerOnly;
        using (var file = new FileStream(unfinished, options))
        {
            file.Write(System.Text.Encoding.ASCII.GetBytes($"{key.ExportPkcs8PrivateKeyPem()}\n{made.ExportCertificatePem()}\n"));
            file.Flush(flushToDisk: true);
        }

        File.Move(unfinished, path, overwrite: true);
    }
}
