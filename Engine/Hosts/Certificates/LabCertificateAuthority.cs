using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VmMigration.Engine.Hosts.Certificates;

/// <summary>
/// A private certificate authority in a directory: enough for a lab or a handful of hosts. Its key lies there unencrypted, readable by its
/// owner only, and certificates are not revoked but short-lived. A site that has an authority of its own uses that; agents and clients take
/// any PEM files.
/// </summary>
public sealed class LabCertificateAuthority : IDisposable
{
    private const string FilesName = "ca";
    private const int SerialNumberBytes = 16;

    private static readonly TimeSpan clockTolerance = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan minLifetime = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan maxLifetime = TimeSpan.FromDays(398);
    private static readonly TimeSpan maxAuthorityLifetime = TimeSpan.FromDays(3650);

    private readonly string directory;
    private readonly X509Certificate2 certificate;

    private LabCertificateAuthority(string directory, X509Certificate2 certificate)
    {
        this.directory = directory;
        this.certificate = certificate;
    }

    /// <summary>Full path of the authority's own certificate: what hosts and clients are to trust.</summary>
    public string CertificatePath => PathOf(directory, FilesName, "crt");

    /// <summary>When the authority stops being valid, UTC; nothing it issues is valid longer.</summary>
    public DateTimeOffset ValidUntil => certificate.NotAfter.ToUniversalTime();

    /// <summary>Opens the authority of a directory, or makes one where there is none (<c>ca.crt</c> and <c>ca.key</c>).</summary>
    /// <param name="directory">Directory of its files; made, for its owner only, where it is missing.</param>
    /// <param name="lifetime">How long a new authority is valid, up to ten years; null means 90 days.</param>
    /// <param name="curve">Curve of a new authority's key.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for a wrong lifetime, and where the files are no authority's or it has expired;
    /// <see cref="MigrationErrorReason.AccessDenied"/> and <see cref="MigrationErrorReason.SystemCallFailed"/> where files cannot be read or
    /// written.
    /// </exception>
    public static LabCertificateAuthority OpenOrCreate(
        string directory, TimeSpan? lifetime = null, CertificateCurve curve = CertificateCurve.P384)
    {
        string full = Path.GetFullPath(directory);
        return File.Exists(PathOf(full, FilesName, "crt")) ? Open(full) : Create(full, lifetime ?? TimeSpan.FromDays(90), curve);
    }

    /// <summary>Makes a key and a certificate and writes them beside the authority's: <c>NAME.crt</c> and <c>NAME.key</c>.</summary>
    /// <remarks>Files of that name are replaced, each at once; an agent that uses them takes up the new ones.</remarks>
    /// <param name="order">What to issue.</param>
    /// <param name="outputDirectory">Where the files go; null takes the authority's directory.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for a name, address or lifetime that cannot be used;
    /// <see cref="MigrationErrorReason.AccessDenied"/> and <see cref="MigrationErrorReason.SystemCallFailed"/> where the files cannot be
    /// written.
    /// </exception>
    public IssuedCertificate Issue(CertificateOrder order, string? outputDirectory = null)
    {
        Check(order);
        IReadOnlyList<string> addresses = order.Addresses.Count > 0 ? order.Addresses : [order.Name];
        using ECDsa authorityKey = certificate.GetECDsaPrivateKey()!;
        using ECDsa key = MakeKey(order.Curve);
        CertificateRequest request = MakeRequest(order.Name, key, authorityKey);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(UsagesOf(order.Purposes), critical: false));
        request.CertificateExtensions.Add(AlternativeNames(addresses));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(
            certificate, includeKeyIdentifier: true, includeIssuerAndSerial: false));

        // The authority's own times are limits: a certificate that reached beyond them would never be trusted.
        DateTimeOffset from = Later(order.ValidFrom ?? DateTimeOffset.UtcNow - clockTolerance, certificate.NotBefore.ToUniversalTime());
        DateTimeOffset until = (order.ValidFrom ?? DateTimeOffset.UtcNow) + order.Lifetime;
        if (until > ValidUntil) until = ValidUntil;
        if (until <= from)
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument,
                $"The certificate '{order.Name}' would be valid from {from:u} to {until:u}.", "Ask for times within those of the authority.");
        }

        using X509Certificate2 issued = request.Create(
            certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(authorityKey), from, until, NewSerialNumber());
        string target = MakeDirectory(outputDirectory ?? directory);
        string certificatePath = PathOf(target, order.Name, "crt"), keyPath = PathOf(target, order.Name, "key");
        CertificateFile.Write(certificatePath, keyPath, issued, key);
        return new(order.Name, certificatePath, keyPath, CertificatePath, order.Purposes, addresses, issued.SerialNumber,
            issued.GetCertHashString(HashAlgorithmName.SHA256), issued.NotBefore.ToUniversalTime(), issued.NotAfter.ToUniversalTime());
    }

    /// <summary>Forgets the key; the files stay.</summary>
    public void Dispose() => certificate.Dispose();

    private static LabCertificateAuthority Open(string directory)
    {
        X509Certificate2 certificate = CertificateFile.ReadWithKey(
            PathOf(directory, FilesName, "crt"), PathOf(directory, FilesName, "key"));
        string? refused = certificate switch
        {
            _ when !IsAuthority(certificate) => "is no certificate authority",
            _ when certificate.GetECDsaPublicKey() is null => "has no elliptic-curve key",
            _ when certificate.NotAfter.ToUniversalTime() <= DateTime.UtcNow => $"expired on {certificate.NotAfter.ToUniversalTime():u}",
            _ => null,
        };
        if (refused is null) return new(directory, certificate);
        certificate.Dispose();
        throw new MigrationException(MigrationErrorReason.InvalidArgument, $"'{PathOf(directory, FilesName, "crt")}' {refused}.",
            "Name another directory: a new authority is made there, which every host and client must then trust.");
    }

    private static LabCertificateAuthority Create(string directory, TimeSpan lifetime, CertificateCurve curve)
    {
        RequireLifetime("the authority", lifetime, maxAuthorityLifetime);
        using ECDsa key = MakeKey(curve);
        byte[] serialNumber = NewSerialNumber();

        // Two authorities of the same name would be taken for one another until the signature is checked.
        CertificateRequest request = MakeRequest($"VmMigration lab CA {Convert.ToHexString(serialNumber.AsSpan(0, 4))}", key, key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, critical: true));
        request.CertificateExtensions.Add(
            new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using X509Certificate2 made = request.Create(
            request.SubjectName, X509SignatureGenerator.CreateForECDsa(key), now - clockTolerance, now + lifetime, serialNumber);
        MakeDirectory(directory);
        CertificateFile.Write(PathOf(directory, FilesName, "crt"), PathOf(directory, FilesName, "key"), made, key);
        return new(directory, made.CopyWithPrivateKey(key));
    }

    private static void Check(CertificateOrder order)
    {
        VmSpecificationCheck.RequireHostName(order.Name);
        if (string.Equals(order.Name, FilesName, StringComparison.OrdinalIgnoreCase))
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument, $"The name '{order.Name}' is the authority's own.",
                "Choose another name.");
        }

        if (order.Purposes is CertificatePurposes.None || (order.Purposes & ~CertificatePurposes.Host) != 0)
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument, $"The certificate '{order.Name}' would be good for nothing.",
                "Name what its holder may be: server, client or both.");
        }

        foreach (string address in order.Addresses)
        {
            if (Uri.CheckHostName(address) is UriHostNameType.Unknown or UriHostNameType.Basic)
            {
                throw new MigrationException(MigrationErrorReason.InvalidArgument, $"'{address}' is neither a DNS name nor an IP address.",
                    "Give names and addresses alone, without scheme and port.");
            }
        }

        RequireLifetime($"'{order.Name}'", order.Lifetime, maxLifetime);
    }

    private static void RequireLifetime(string what, TimeSpan lifetime, TimeSpan limit)
    {
        if (lifetime >= minLifetime && lifetime <= limit) return;
        throw new MigrationException(MigrationErrorReason.InvalidArgument, $"A lifetime of {lifetime} cannot be given to {what}.",
            $"Give one between {minLifetime} and {limit.TotalDays:F0} days.");
    }

    private static ECDsa MakeKey(CertificateCurve curve) => ECDsa.Create(curve switch
    {
        CertificateCurve.P256 => ECCurve.NamedCurves.nistP256,
        CertificateCurve.P384 => ECCurve.NamedCurves.nistP384,
        _ => throw new MigrationException(MigrationErrorReason.InvalidArgument, $"'{curve}' is no curve.", "Choose P256 or P384."),
    });

    /// <summary>A request with the hash that suits the key which is going to sign it.</summary>
    private static CertificateRequest MakeRequest(string name, ECDsa key, ECDsa signingKey)
    {
        var request = new CertificateRequest(new X500DistinguishedName($"CN={name}"), key,
            signingKey.KeySize > 256 ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return request;
    }

    private static OidCollection UsagesOf(CertificatePurposes purposes)
    {
        OidCollection usages = [];
        if (purposes.HasFlag(CertificatePurposes.Server)) usages.Add(Oid.FromOidValue("1.3.6.1.5.5.7.3.1", OidGroup.EnhancedKeyUsage));
        if (purposes.HasFlag(CertificatePurposes.Client)) usages.Add(Oid.FromOidValue("1.3.6.1.5.5.7.3.2", OidGroup.EnhancedKeyUsage));
        return usages;
    }

    private static X509Extension AlternativeNames(IEnumerable<string> addresses)
    {
        var names = new SubjectAlternativeNameBuilder();
        foreach (string address in addresses)
        {
            if (IPAddress.TryParse(address, out IPAddress? ip)) names.AddIpAddress(ip);
            else names.AddDnsName(address);
        }

        return names.Build();
    }

    // Positive and of full length: RFC 5280, 4.1.2.2 allows 20 bytes and asks for a number nobody can guess.
    private static byte[] NewSerialNumber()
    {
        byte[] number = RandomNumberGenerator.GetBytes(SerialNumberBytes);
        number[0] = (byte)((number[0] & 0x7f) | 0x40);
        return number;
    }

    private static bool IsAuthority(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(constraints => constraints.CertificateAuthority);

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset other) => one > other ? one : other;

    private static string PathOf(string directory, string name, string extension) => Path.Combine(directory, $"{name}.{extension}");

    private static string MakeDirectory(string path)
    {
        try
        {
            if (Directory.Exists(path)) return Path.GetFullPath(path);
            return OperatingSystem.IsWindows()
                ? Directory.CreateDirectory(path).FullName
                : Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new MigrationException(MigrationErrorReason.AccessDenied, $"The directory '{path}' cannot be made: {e.Message}",
                "Name a directory that this user may write.", e);
        }
        catch (IOException e)
        {
            throw new MigrationException(MigrationErrorReason.SystemCallFailed, $"The directory '{path}' cannot be made: {e.Message}",
                "Name a directory on a local, writable file system.", e);
        }
    }
}
