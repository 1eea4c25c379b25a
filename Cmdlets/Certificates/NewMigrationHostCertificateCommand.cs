using System.Management.Automation;
using System.Net;
using VmMigration.Engine.Hosts.Certificates;

namespace VmMigration.Cmdlets;

/// <summary>Makes certificates for the hosts of a lab and for those who connect to them.</summary>
/// <remarks>
/// The first call on a directory makes a private certificate authority in it (ca.crt and ca.key), valid for 90 days; later ones use it. Each
/// certificate has an elliptic-curve key of its own. Key files can be read by their owner only; copy a host's two files and ca.crt to the
/// host, and ca.key to no other machine. Certificates cannot be revoked, so they are short-lived: issue the next one in time, under the
/// same name; an agent takes up new files without a restart. A site with an authority of its own uses that instead: agents and
/// Connect-MigrationHost take any PEM files.
/// </remarks>
/// <example>
/// <code>New-MigrationHostCertificate kvm01 -Authority ./pki -DnsName kvm01.lab.example -IPAddress 10.0.0.11</code>
/// <para>Makes the certificate of a host that is reached under a name and an address.</para>
/// </example>
/// <example>
/// <code>New-MigrationHostCertificate admin -Authority ./pki -Purpose Client -ValidFor 8h | Connect-MigrationHost -Uri https://kvm01:7443</code>
/// <para>Makes a certificate for a working day and connects to a host with it.</para>
/// </example>
[Cmdlet(VerbsCommon.New, "MigrationHostCertificate", SupportsShouldProcess = true)]
[OutputType(typeof(MigrationHostCertificate))]
public sealed class NewMigrationHostCertificateCommand : MigrationCmdlet
{
    /// <summary>
    /// Name of the holder, and start of the names of its files: 1 to 64 of A-Z a-z 0-9 . _ - and not ca. Files of that name are replaced.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string Name { get; set; } = null!;

    /// <summary>Directory of the certificate authority. One that has none gets a new one.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string Authority { get; set; } = null!;

    /// <summary>DNS names under which the holder is reached. Without any name or address, the name of the holder.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string[] DnsName { get; set; } = [];

    /// <summary>IP addresses under which the holder is reached.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public IPAddress[] IPAddress { get; set; } = [];

    /// <summary>What the holder may be in a connection: Host, the default, either side; Client, only the side that connects.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public CertificatePurpose Purpose { get; set; } = CertificatePurpose.Host;

    /// <summary>
    /// How long it is valid, at most 398 days and no longer than the authority: seconds, 8h or a TimeSpan, for example 7.00:00:00. The default
    /// is seven days.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Duration]
    public TimeSpan ValidFor { get; set; } = TimeSpan.FromDays(7);

    /// <summary>Directory for the certificate and its key. Without it, the authority's.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? Path { get; set; }

    /// <summary>Makes the certificate.</summary>
    protected override void ProcessRecord()
    {
        string authorityDirectory = GetUnresolvedProviderPathFromPSPath(Authority);
        string? directory = Path is null ? null : GetUnresolvedProviderPathFromPSPath(Path);
        if (!ShouldProcess($"{Name} in {directory ?? authorityDirectory}", "Make certificate and key")) return;
        var order = new CertificateOrder
        {
            Name = Name,
            Addresses = [.. DnsName, .. IPAddress.Select(address => address.ToString())],
            Purposes = (CertificatePurposes)Purpose,
            Lifetime = ValidFor,
        };
        IssuedCertificate? issued = Attempt(Name, token => Task.Run(
            () =>
            {
                using var authority = LabCertificateAuthority.OpenOrCreate(authorityDirectory);
                return authority.Issue(order, directory);
            },
            token));
        if (issued is not null) WriteObject(MigrationHostCertificate.From(issued));
    }
}
