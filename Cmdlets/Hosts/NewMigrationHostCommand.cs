using System.Management.Automation;
using System.Net;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Opens a host that runs VMs and moves them.</summary>
/// <remarks>
/// The host belongs to this process and is shared by its runspaces. It is closed by Disconnect-MigrationHost, when the module is removed
/// and when the process ends. A host made again on the same state directory finds its VMs again.
/// </remarks>
/// <example>
/// <code>New-MigrationHost -Name kvm01</code>
/// <para>Opens a host that keeps its files in a directory of its own, which goes with it.</para>
/// </example>
/// <example>
/// <code>New-MigrationHost -Name kvm01 -StateDirectory /var/lib/vm-migration/kvm01 -ListenAddress 10.0.0.11 -ListenPort 49160</code>
/// <para>Opens a host that remembers its VMs and accepts migrations from other machines.</para>
/// </example>
[Cmdlet(VerbsCommon.New, "MigrationHost", SupportsShouldProcess = true)]
[OutputType(typeof(MigrationHost))]
public sealed class NewMigrationHostCommand : MigrationCmdlet
{
    /// <summary>Name of the host, unique in this session: 1 to 64 of A-Z a-z 0-9 . _ -</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidatePattern("^[A-Za-z0-9._-]{1,64}$",
        ErrorMessage = "'{0}' is no host name: use 1 to 64 of the characters A-Z a-z 0-9 . _ -")]
    public string Name { get; set; } = null!;

    /// <summary>Where the host is; Local is on this machine.</summary>
    [Parameter]
    public HostKind Kind { get; set; } = HostKind.Local;

    /// <summary>
    /// Directory for the host's journal, logs and sockets. Without it the host takes a directory under the system's temporary one,
    /// which goes with the host.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? StateDirectory { get; set; }

    /// <summary>Directory of a memory file system for guest RAM files. The default is /dev/shm.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? RamDirectory { get; set; }

    /// <summary>
    /// Directory that holds the host's disks: relative paths of disks start there, and what arrives without a path goes there. The default is
    /// disks in the state directory.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [Alias("DatastoreDirectory")]
    public string? DatastorePath { get; set; }

    /// <summary>
    /// How long a fragment is kept of a disk that did not arrive whole: seconds, 48h or a TimeSpan. The default is seven days.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Duration]
    public TimeSpan? FragmentAgeLimit { get; set; }

    /// <summary>Bytes all fragments together may take; the oldest go first. 0, the default, means no limit.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateRange(0, long.MaxValue)]
    public long? FragmentBytesLimit { get; set; }

    /// <summary>
    /// Put a raw disk demo.raw of this size into the host's datastore, to try Start-DiskTransfer with: random data, and holes half of it.
    /// </summary>
    [Parameter]
    [ValidateRange(1, long.MaxValue)]
    public long? DemoDiskBytes { get; set; }

    /// <summary>Address to accept migrations on. The default is the loopback address.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public IPAddress ListenAddress { get; set; } = IPAddress.Loopback;

    /// <summary>TCP port to accept migrations on; 0 takes a free one.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateRange(0, 65535)]
    public int ListenPort { get; set; }

    /// <summary>
    /// What the host demands of the connections that carry VMs: Tls, or Plain, which lets everybody on the way read and change guest
    /// memory. The default is Tls, but Plain on a loopback address. A host that demands Tls sends no VM to one that is Plain.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public LinkSecurity? LinkSecurity { get; set; }

    /// <summary>Opens the host.</summary>
    protected override void ProcessRecord()
    {
        if (!ShouldProcess(Name, "Open migration host")) return;
        var options = new LocalHostOptions
        {
            Name = Name,
            StateDirectory = StateDirectory is null ? null : GetUnresolvedProviderPathFromPSPath(StateDirectory),
            RamDirectory = RamDirectory is null ? null : GetUnresolvedProviderPathFromPSPath(RamDirectory),
            DatastoreDirectory = DatastorePath is null ? null : GetUnresolvedProviderPathFromPSPath(DatastorePath),
            ListenAddress = ListenAddress,
            ListenPort = ListenPort,
            LinkSecurity = (Engine.Protocol.LinkSecurity?)LinkSecurity,
        };
        options = options with
        {
            FragmentAgeLimit = FragmentAgeLimit ?? options.FragmentAgeLimit,
            FragmentBytesLimit = FragmentBytesLimit ?? options.FragmentBytesLimit,
        };
        MigrationHost? opened = Attempt(Name, async token =>
        {
            IMigrationHost host = await HostRegistry.AddAsync(Name, opening => OpenAsync(options, opening), token).ConfigureAwait(false);
            return MigrationHost.From(host, await host.DescribeAsync(token).ConfigureAwait(false));
        });
        if (opened is not null) WriteObject(opened);
    }

    private async Task<IMigrationHost> OpenAsync(LocalHostOptions options, CancellationToken cancellationToken)
    {
        LocalHost host = await LocalHost.OpenAsync(options, cancellationToken).ConfigureAwait(false);
        if (DemoDiskBytes is not { } sizeBytes) return host;
        try
        {
            string datastore = (await host.DescribeAsync(cancellationToken).ConfigureAwait(false)).DatastoreDirectory;
            await DemoDisk.MakeAsync(datastore, sizeBytes, cancellationToken).ConfigureAwait(false);
            return host;
        }
        catch
        {
            await host.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
