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

    /// <summary>The least share of its time the guest was held to; 1 means never slowed down.</summary>
    public double MinVcpuShare { get; init; } = 1;

    /// <summary>Data connections used.</summary>
    public int Channels { get; init; }

    /// <summary>What executes the guest's instructions at the destination.</summary>
    public string? Accelerator { get; init; }

    /// <summary>Each mechanism that was not used, with the reason.</summary>
    public IReadOnlyList<string> Fallbacks { get; init; } = [];

    /// <summary>The passes one by one.</summary>
    public IReadOnlyList<MigrationPass> PassDetails { get; init; } = [];

    /// <summary>The main numbers in one line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{TotalTime.TotalSeconds:F2} s in all, {Downtime.TotalMilliseconds:F1} ms of downtime, {Passes} passes");

    internal static VmMigrationResult From(MigrationResult result) => new()
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
        MinVcpuShare = result.MinVcpuShare,
        Channels = result.Channels,
        Accelerator = result.Accelerator,
        Fallbacks = result.Fallbacks,
        PassDetails = [.. result.PassDetails.Select(MigrationPass.From)],
    };
}
