using System.Security.Cryptography.X509Certificates;

namespace VmMigration.Cmdlets;

/// <summary>
/// A certificate argument: PowerShell makes it from the path of a PEM file, from an X509Certificate2, or from what
/// New-MigrationHostCertificate writes.
/// </summary>
public sealed class CertificateReference
{
    /// <param name="path">PEM file.</param>
    public CertificateReference(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        FilePath = path;
    }

    /// <param name="certificate">A certificate from anywhere; where it is to be shown to others, with its private key.</param>
    public CertificateReference(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        Certificate = certificate;
    }

    /// <param name="made">A certificate that New-MigrationHostCertificate made.</param>
    public CertificateReference(MigrationHostCertificate made)
    {
        ArgumentNullException.ThrowIfNull(made);
        FilePath = made.Certificate;
    }

    /// <summary>PEM file, as it was written; null where a certificate was given.</summary>
    public string? FilePath { get; }

    /// <summary>The certificate; null where a file was named.</summary>
    public X509Certificate2? Certificate { get; }

    /// <summary>The path, or the certificate's subject.</summary>
    public override string ToString() => FilePath ?? Certificate!.Subject;
}
