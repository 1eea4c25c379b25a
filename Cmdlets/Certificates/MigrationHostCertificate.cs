using VmMigration.Engine.Hosts.Certificates;

namespace VmMigration.Cmdlets;

/// <summary>
/// A certificate on disk with its key, and the authority that issued it. All files are PEM. Pipe one for a client into
/// Connect-MigrationHost.
/// </summary>
public sealed record MigrationHostCertificate
{
    /// <summary>Common name of the subject.</summary>
    public required string Name { get; init; }

    /// <summary>What the holder may be in a connection.</summary>
    public required CertificatePurpose Purpose { get; init; }

    /// <summary>File of the certificate.</summary>
    public required string Certificate { get; init; }

    /// <summary>File of the private key, which only its owner can read.</summary>
    public required string KeyPath { get; init; }

    /// <summary>File of the certificate of the authority: what the other side is to trust.</summary>
    public required string CertificateAuthority { get; init; }

    /// <summary>DNS names and IP addresses it is valid for.</summary>
    public required IReadOnlyList<string> Addresses { get; init; }

    /// <summary>Serial number, hexadecimal.</summary>
    public required string SerialNumber { get; init; }

    /// <summary>SHA-256 of the certificate, hexadecimal.</summary>
    public required string Thumbprint { get; init; }

    /// <summary>When it begins to be valid, UTC.</summary>
    public required DateTimeOffset ValidFrom { get; init; }

    /// <summary>When it stops being valid, UTC.</summary>
    public required DateTimeOffset ValidUntil { get; init; }

    /// <summary>The certificate's file.</summary>
    public override string ToString() => Certificate;

    internal static MigrationHostCertificate From(IssuedCertificate issued) => new()
    {
        Name = issued.Name,
        Purpose = (CertificatePurpose)issued.Purposes,
        Certificate = issued.CertificatePath,
        KeyPath = issued.KeyPath,
        CertificateAuthority = issued.AuthorityPath,
        Addresses = issued.Addresses,
        SerialNumber = issued.SerialNumber,
        Thumbprint = issued.Thumbprint,
        ValidFrom = issued.ValidFrom,
        ValidUntil = issued.ValidUntil,
    };
}
