using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VmMigration.Engine.Hosts.Certificates;

/// <summary>PEM files of certificates and keys.</summary>
public static class CertificateFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Everybody = OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Writes a certificate and its key, each file at once; in between, the key is not that of the certificate, which readers refuse.</summary>
    internal static void Write(string certificatePath, string keyPath, X509Certificate2 certificate, ECDsa key)
    {
        Replace(keyPath, key.ExportPkcs8PrivateKeyPem() + "\n", OwnerOnly);
        Replace(certificatePath, certificate.ExportCertificatePem() + "\n", Everybody);
    }

    /// <summary>Reads a certificate with its key.</summary>
    /// <param name="certificatePath">PEM file of the certificate.</param>
    /// <param name="keyPath">PEM file of the private key, not encrypted; may be the same.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> where a file is missing or holds something else, or the key is another one's;
    /// <see cref="MigrationErrorReason.AccessDenied"/> where this user may not read it.
    /// </exception>
    public static X509Certificate2 ReadWithKey(string certificatePath, string keyPath) => Read(
        $"The certificate '{certificatePath}' with the key '{keyPath}'", () => X509Certificate2.CreateFromPemFile(certificatePath, keyPath));

    /// <summary>Reads all certificates of a file.</summary>
    /// <param name="path">PEM file.</param>
    /// <exception cref="MigrationException">As with <see cref="ReadWithKey"/>, and where the file holds no certificate.</exception>
    public static X509Certificate2Collection ReadAll(string path)
    {
        X509Certificate2Collection certificates = [];
        Read($"The certificates of '{path}'", () =>
        {
            certificates.ImportFromPemFile(path);
            return certificates;
        });
        return certificates.Count > 0 ? certificates : throw new MigrationException(
            MigrationErrorReason.InvalidArgument, $"'{path}' holds no certificate.", "Name a PEM file with the authority's certificate.");
    }

    private static T Read<T>(string what, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (UnauthorizedAccessException e)
        {
            throw new MigrationException(MigrationErrorReason.AccessDenied, $"{what} cannot be read: {e.Message}",
                "Give the file to the user that reads it; keys are for their owner only.", e);
        }
        catch (Exception e) when (e is IOException or CryptographicException or ArgumentException)
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument, $"{what} cannot be used: {e.Message}",
                "Name PEM files of a certificate and of the key that belongs to it.", e);
        }
    }

    /// <summary>By rename, so that a reader sees the old content or the new one, and a key is never readable by others, not even shortly.</summary>
    private static void Replace(string path, string text, UnixFileMode mode)
    {
        string fresh = path + ".new";
        try
        {
            // What an interrupted run left may have another mode.
            File.Delete(fresh);
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = mode;
            using (var writer = new StreamWriter(fresh, options)) writer.Write(text);
            File.Move(fresh, path, overwrite: true);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new MigrationException(MigrationErrorReason.AccessDenied, $"'{path}' cannot be written: {e.Message}",
                "Name a directory that this user may write.", e);
        }
        catch (IOException e)
        {
            throw new MigrationException(MigrationErrorReason.SystemCallFailed, $"'{path}' cannot be written: {e.Message}",
                "Name a directory on a local, writable file system.", e);
        }
    }
}
