namespace VmMigration.Engine.Hosts.Certificates;

/// <summary>A certificate on disk with its key. All files are PEM; the key's file can be read by its owner only (mode 0600).</summary>
/// <param name="Name">Common name of the subject.</param>
/// <param name="CertificatePath">Full path of the certificate.</param>
/// <param name="KeyPath">Full path of the private key (PKCS #8, not encrypted).</param>
/// <param name="AuthorityPath">Full path of the certificate of the authority that issued it.</param>
/// <param name="Purposes">What the holder may be in a connection.</param>
/// <param name="Addresses">DNS names and IP addresses it is valid for.</param>
/// <param name="SerialNumber">Serial number, hexadecimal.</param>
/// <param name="Thumbprint">SHA-256 of the certificate, hexadecimal.</param>
/// <param name="ValidFrom">When it begins to be valid, UTC.</param>
/// <param name="ValidUntil">When it stops being valid, UTC.</param>
public sealed record IssuedCertificate(
    string Name, string CertificatePath, string KeyPath, string AuthorityPath, CertificatePurposes Purposes,
    IReadOnlyList<string> Addresses, string SerialNumber, string Thumbprint, DateTimeOffset ValidFrom, DateTimeOffset ValidUntil);
