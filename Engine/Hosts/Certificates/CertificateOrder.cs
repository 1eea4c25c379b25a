namespace VmMigration.Engine.Hosts.Certificates;

/// <summary>Asks a <see cref="LabCertificateAuthority"/> for a certificate.</summary>
public sealed record CertificateOrder
{
    /// <summary>
    /// Common name of the subject and start of the file names: 1 to 64 of <c>A-Z a-z 0-9 . _ -</c>, and not <c>ca</c>, whose files are the
    /// authority's.
    /// </summary>
    public required string Name { get; init; }

    /// <summary>
    /// DNS names and IP addresses under which the holder is reached (subjectAltName); the name itself where none is given. A client compares
    /// them with the host in the URI it connects to.
    /// </summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    /// <summary>What the holder may be in a connection.</summary>
    public CertificatePurposes Purposes { get; init; } = CertificatePurposes.Host;

    /// <summary>
    /// How long it is valid, from one minute to 398 days. Whatever is asked for, it does not outlive the authority. A certificate cannot be
    /// revoked here, so keep it short and issue the next one in time: an agent takes up new files without a restart.
    /// </summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromDays(7);

    /// <summary>When it begins to be valid; null begins five minutes ago, for machines whose clocks differ.</summary>
    public DateTimeOffset? ValidFrom { get; init; }

    /// <summary>Curve of the key that is made for it.</summary>
    public CertificateCurve Curve { get; init; } = CertificateCurve.P256;
}
