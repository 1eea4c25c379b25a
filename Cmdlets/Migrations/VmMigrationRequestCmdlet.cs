using System.Management.Automation;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets that say where and how VMs are to move.</summary>
public abstract class VmMigrationRequestCmdlet : VmSelectionCmdlet
{
    /// <summary>The host the VMs are to move to, by name or as an object.</summary>
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = ByName, ValueFromPipelineByPropertyName = true)]
    [Parameter(Mandatory = true, ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByVm)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    [Alias("DestinationHostName")]
    public MigrationHostReference DestinationHost { get; set; } = null!;

    /// <summary>Hash all memory on both sides while the VM is paused, and roll back on a difference.</summary>
    [Parameter]
    public SwitchParameter VerifyMemory { get; set; }

    /// <summary>Most bytes a second on the wire, for example 1GB; 0, the default, means no limit.</summary>
    [Parameter]
    [ValidateRange(0, long.MaxValue)]
    public long? MaxBytesPerSecond { get; set; }

    /// <summary>Parallel data connections, 1 to 16; 0, the default, lets the engine choose.</summary>
    [Parameter]
    [ValidateRange(0, 16)]
    public int? Channels { get; set; }

    /// <summary>
    /// Switch over once the rest is expected to take at most this long: seconds, 50ms or a TimeSpan. The default is 50 ms.
    /// </summary>
    [Parameter]
    [Duration]
    public TimeSpan? DowntimeLimit { get; set; }

    /// <summary>Most passes over memory before the migration gives up and rolls back. The default is 30.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int? MaxPasses { get; set; }

    /// <summary>
    /// The least share of its time that a slowed-down guest keeps, above 0 to 1; 1 never slows it down. The default is 0.2.
    /// </summary>
    [Parameter]
    [ValidateRange(0.001, 1.0)]
    public double? MinVcpuShare { get; set; }

    /// <summary>Do not fill the destination's page tables before the VM resumes.</summary>
    [Parameter]
    public SwitchParameter NoPagePopulation { get; set; }

    /// <summary>
    /// Unit in which writes are traced: Auto, the default, or a power of two from 4KB to 1GB. Coarse traces interrupt the guest less often
    /// and report more than was written; Auto measures which costs the guest least.
    /// </summary>
    [Parameter]
    [ArgumentCompletions("Auto", "4KB", "64KB", "2MB", "1GB")]
    public WriteTraceGranularity? WriteTraceGranularity { get; set; }

    /// <summary>Do not give the destination's VM large pages where the source's has them.</summary>
    [Parameter]
    public SwitchParameter NoLargePages { get; set; }

    /// <summary>
    /// Whether the VM may resume at the destination before all of its memory is there: Never, the default, WhenNotConverging or
    /// AfterFirstPass. Until the last page has arrived the VM then depends on both hosts, and there is no rolling back.
    /// </summary>
    [Parameter]
    public PostcopyPolicy? Postcopy { get; set; }

    /// <summary>Use the hypervisor's own migration even where the engine could move the memory itself.</summary>
    [Parameter]
    public SwitchParameter UseHypervisorMigration { get; set; }

    /// <summary>
    /// Move the VMs' disks with them, for hosts that share no storage: what a guest writes goes to an overlay, the image below is copied while
    /// it runs, and the rest follows with its memory. A try that failed left fragments; the next one sends only what is missing.
    /// </summary>
    [Parameter]
    public SwitchParameter IncludeDisks { get; set; }

    /// <summary>
    /// With -IncludeDisks: directory of the destination host that the disks come to, absolute or relative to its datastore. The default is
    /// the datastore itself.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? DiskDirectory { get; set; }

    /// <summary>
    /// With -IncludeDisks: whether the disks are compressed on their way: None, the default, or Zstd, which pays where the network is slower
    /// than the processors.
    /// </summary>
    [Parameter]
    public DiskCompression? DiskCompression { get; set; }

    /// <summary>
    /// With -IncludeDisks: remove the disks' files from the source host once the VM runs at the destination. Otherwise they stay, and the
    /// result names them. Read-only disks always stay.
    /// </summary>
    [Parameter]
    public SwitchParameter RemoveSourceDisks { get; set; }

    /// <summary>
    /// The network the VMs travel over: Direct, the default, for the hosts' ordinary one; Overlay or Nat to make a path for each migration
    /// that goes with it; or a path that New-MobilityPath made, as an object or by its id, for one migration.
    /// </summary>
    [Parameter]
    [ArgumentCompletions("Direct", "Overlay", "Nat")]
    [Alias("MobilityPath")]
    public MobilityPathReference? Path { get; set; }

    /// <summary>The host between the two that -Path Nat goes over, by name or as an object.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public MigrationHostReference? GatewayHost { get; set; }

    /// <summary>The path as given, what is not given taken from the report of an earlier check.</summary>
    private protected MobilityPathChoice PathOver(PreflightReport? otherwise) => MobilityPathArguments.Choose(
        Path ?? otherwise?.Path, GatewayHost ?? (Path is null ? otherwise?.GatewayHost : null), nameof(Path));

    /// <summary>The options as given, the rest taken from <paramref name="otherwise"/>.</summary>
    private protected MigrationOptions OptionsOver(MigrationOptions otherwise) => otherwise with
    {
        VerifyMemory = Choose(nameof(VerifyMemory), VerifyMemory, otherwise.VerifyMemory),
        MaxBytesPerSecond = MaxBytesPerSecond ?? otherwise.MaxBytesPerSecond,
        Channels = Channels ?? otherwise.Channels,
        DowntimeLimit = DowntimeLimit ?? otherwise.DowntimeLimit,
        MaxPasses = MaxPasses ?? otherwise.MaxPasses,
        MinVcpuShare = MinVcpuShare ?? otherwise.MinVcpuShare,
        PopulatePageTables = Choose(nameof(NoPagePopulation), !NoPagePopulation, otherwise.PopulatePageTables),
        WriteTraceGranularityBytes = WriteTraceGranularity?.Bytes ?? otherwise.WriteTraceGranularityBytes,
        PreserveLargePages = Choose(nameof(NoLargePages), !NoLargePages, otherwise.PreserveLargePages),
        Postcopy = (Engine.Migration.PostcopyPolicy?)Postcopy ?? otherwise.Postcopy,
        IncludeDisks = Choose(nameof(IncludeDisks), IncludeDisks, otherwise.IncludeDisks),
        DiskDirectory = DiskDirectory ?? otherwise.DiskDirectory,
        DiskCompression = (Engine.Disks.DiskCompression?)DiskCompression ?? otherwise.DiskCompression,
        RemoveSourceDisks = Choose(nameof(RemoveSourceDisks), RemoveSourceDisks, otherwise.RemoveSourceDisks),
        ForceHypervisorMigration = Choose(nameof(UseHypervisorMigration), UseHypervisorMigration, otherwise.ForceHypervisorMigration),
    };

    private bool Choose(string parameterName, bool given, bool otherwise) =>
        MyInvocation.BoundParameters.ContainsKey(parameterName) ? given : otherwise;
}
