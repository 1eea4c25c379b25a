using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using VmMigration.Engine;
using VmMigration.Engine.Hosts.Certificates;

namespace VmMigration.Cmdlets;

/// <summary>Finds the certificates a session connects to agents with.</summary>
internal static class SessionCertificate
{
    private const int Sha1Digits = 40;
    private const string KeyExtension = "key";

    /// <summary>Reads a certificate and its key.</summary>
    /// <param name="path">Full path of the certificate.</param>
    /// <param name="keyPath">Full path of the key; null takes the file beside it that ends in .key, or where there is none the same.</param>
    /// <exception cref="MigrationException">The files are missing, are none, or cannot be read.</exception>
    public static X509Certificate2 Read(string path, string? keyPath)
    {
        string beside = Path.ChangeExtension(path, KeyExtension);
        return CertificateFile.ReadWithKey(path, keyPath ?? (File.Exists(beside) ? beside : path));
    }

    /// <summary>Finds a certificate in the personal store.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/> where there is none with a key.</exception>
    public static X509Certificate2 Find(string thumbprint, StoreLocation location)
    {
        string digits = string.Concat(thumbprint.Where(char.IsAsciiHexDigit));
        HashAlgorithmName digest = digits.Length == Sha1Digits ? HashAlgorithmName.SHA1 : HashAlgorithmName.SHA256;
        using var store = new X509Store(StoreName.My, location);
        Open(store, location);
        X509Certificate2? found = store.Certificates.FirstOrDefault(certificate => certificate.HasPrivateKey
            && string.Equals(certificate.GetCertHashString(digest), digits, StringComparison.OrdinalIgnoreCase));
        return found ?? throw new MigrationException(MigrationErrorReason.InvalidArgument,
            $"The personal certificates of {location} hold none with a private key whose thumbprint is '{thumbprint}'.",
            "Name the SHA-1 or SHA-256 thumbprint of a certificate there, or use -Certificate with a file.");
    }

    private static void Open(X509Store store, StoreLocation location)
    {
        try
        {
            store.Open(OpenFlags.ReadOnly);
        }
        catch (CryptographicException exception)
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument,
                $"The personal certificates of {location} cannot be read: {exception.Message}",
                "Use -Certificate with a file.", exception);
        }
    }
}
