using System.Globalization;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>What a completed migration did and cost.</summary>
public sealed record VmMigrationResult
{
    /// <summary>Start of the request to the first instruction at the destination.</summary>
    public TimeSpan TotalTime { get; init; }

    /// <summary>Pause at the source to resume at the destination, by the source's clock.</summary>
    public TimeSpan Downtime { get; init; }

    /// <summary>What the downtime was spent on.</summary>
    public DowntimeParts DowntimeParts { get; init; } = new();

    /// <summary>Passes over memory, the last one (with the VM paused) included.</summary>
    public int Passes { get; init; }

    /// <summary>Bytes put on the wire in all.</summary>
    public long BytesSent { get; init; }

    /// <summary>Pages that travelled as zero (metadata only), holes of the first pass included.</summary>
    public long PagesZero { get; init; }

    /// <summary>Pages that travelled with their contents.</summary>
    public long PagesData { get; init; }

    /// <summary>Pages mapped into the destination's page tables before the VM resumed.</summary>
    public long PagesPopulated { get; init; }

    /// <summary>Time spent in mapping them, beside the transfer.</summary>
    public TimeSpan PopulationTime { get; init; }

    /// <summary>
    /// Page faults of the destination VM's process in the first second after it resumed; null where it has no process of its own.
    /// </summary>
    public long? FaultsAfterResume { get; init; }

    /// <summary>Whether both sides' memory was compared and equal; false where no comparison was asked for.</summary>
    public bool MemoryVerified { get; init; }

    /// <summary>How writes were noticed; null where none had to be.</summary>
    public WriteTraceMechanism? WriteTraceMechanism { get; init; }

    /// <summary>How often traces were armed.</summary>
    public long TraceInstalls { get; init; }

    /// <summary>Time spent in arming.</summary>
    public TimeSpan TraceInstallTime { get; init; }

    /// <summary>
    /// Unit in which writes were traced, in bytes; the smallest one where it differed over memory; 0 where the engine traced none.
    /// </summary>
    public int WriteTraceGranularityBytes { get; init; }

    /// <summary>First writes to traced memory: each interrupted a vCPU once.</summary>
    public long TraceFaults { get; init; }

    /// <summary>
    /// Time vCPUs waited for those, delays included, added up. Measured where the engine handled the faults; where the kernel did, their
    /// number times what one costs on this machine.
    /// </summary>
    public TimeSpan TraceStallTime { get; init; }

    /// <summary>The longest delay first writes were held back by, to slow the guest down; zero where they never were.</summary>
    public TimeSpan MaxFaultDelay { get; init; }

    /// <summary>Pages that were reported as written, had not changed since they were sent, and did not travel again.</summary>
    public long PagesUnchanged { get; init; }

    /// <summary>Large pages of the VM at the source when the migration began; null where nobody could say.</summary>
    public LargePageCoverage? LargePagesAtSource { get; init; }

    /// <summary>Large pages of the VM at the source when it was paused: what tracing left of them; null where nobody could say.</summary>
    public LargePageCoverage? LargePagesAtPause { get; init; }

    /// <summary>Large pages of the VM at the destination a second after it resumed; null where nobody could say.</summary>
    public LargePageCoverage? LargePagesAtDestination { get; init; }

    /// <summary>The poisoned pages, which travelled as metadata, as they are at the destination.</summary>
    public IReadOnlyList<PoisonedPage> PoisonedPages { get; init; } = [];

    /// <summary>What came after the VM had resumed at the destination; null where all of its memory was there.</summary>
    public PostcopySummary? Postcopy { get; init; }

    /// <summary>The least share of its time the guest was held to; 1 means never slowed down.</summary>
    public double MinVcpuShare { get; init; } = 1;

    /// <summary>Data connections used.</summary>
    public int Channels { get; init; }

    /// <summary>How the connections between the hosts were protected.</summary>
    public LinkSecurity LinkSecurity { get; init; }

    /// <summary>How the connections were kept apart from other traffic.</summary>
    public MobilityPathKind PathKind { get; init; } = MobilityPathKind.Direct;

    /// <summary>
    /// What making the mobility path took, before <see cref="TotalTime"/> began; null where none was made for this migration.
    /// </summary>
    public TimeSpan? PathSetup { get; init; }

    /// <summary>What executes the guest's instructions at the destination.</summary>
    public string? Accelerator { get; init; }

    /// <summary>The disks that moved with the VM, in the order of its specification; empty where none did.</summary>
    public IReadOnlyList<VmDiskResult> Disks { get; init; } = [];

    /// <summary>Each mechanism that was not used, with the reason.</summary>
    public IReadOnlyList<string> Fallbacks { get; init; } = [];

    /// <summary>The passes one by one.</summary>
    public IReadOnlyList<MigrationPass> PassDetails { get; init; } = [];

    /// <summary>The main numbers in one line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{TotalTime.TotalSeconds:F2} s in all, {Downtime.TotalMilliseconds:F1} ms of downtime, {Passes} passes");

    /// <summary>The result of a migration that has one.</summary>
    internal static VmMigrationResult? From(MigrationStatus status) => status.Result is not { } result ? null : new()
    {
        TotalTime = result.TotalTime,
        Downtime = result.Downtime,
        DowntimeParts = DowntimeParts.From(result.DowntimeParts),
        Passes = result.Passes,
        BytesSent = result.BytesSent,
        PagesZero = result.PagesZero,
        PagesData = result.PagesData,
        PagesPopulated = result.PagesPopulated,
        PopulationTime = result.PopulationTime,
        FaultsAfterResume = result.FaultsAfterResume,
        MemoryVerified = result.MemoryVerified,
        WriteTraceMechanism = result.WriteTraceMechanism == 0 ? null : (WriteTraceMechanism)result.WriteTraceMechanism,
        TraceInstalls = result.TraceInstalls,
        TraceInstallTime = result.TraceInstallTime,
        WriteTraceGranularityBytes = result.WriteTraceGranularityBytes,
        TraceFaults = result.TraceFaults,
        TraceStallTime = result.TraceStallTime,
        MaxFaultDelay = result.MaxFaultDelay,
        PagesUnchanged = result.PagesUnchanged,
        LargePagesAtSource = LargePageCoverage.From(result.LargePagesAtSource),
        LargePagesAtPause = LargePageCoverage.From(result.LargePagesAtPause),
        LargePagesAtDestination = LargePageCoverage.From(result.LargePagesAtDestination),
        PoisonedPages = [.. result.PoisonedPages.Select(page =>
            PoisonedPage.From(page, status.VmId, status.VmName, status.DestinationHostName))],
        Postcopy = PostcopySummary.From(result.Postcopy),
        MinVcpuShare = result.MinVcpuShare,
        Channels = result.Channels,
        LinkSecurity = (LinkSecurity)result.LinkSecurity,
        PathKind = (MobilityPathKind)result.PathKind,
        PathSetup = result.PathSetup,
        Accelerator = result.Accelerator,
        Disks = [.. result.Disks.Select(VmDiskResult.From)],
        Fallbacks = result.Fallbacks,
        PassDetails = [.. result.PassDetails.Select(MigrationPass.From)],
    };
}
