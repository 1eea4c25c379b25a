namespace VmMigration.Engine.Hosts.Certificates;

/// <summary>Elliptic curve of a certificate's key (NIST SP 800-186).</summary>
public enum CertificateCurve
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>P-256, which signs with SHA-256.</summary>
    P256 = 1,

    /// <summary>P-384, which signs with SHA-384.</summary>
    P384 = 2,
}
