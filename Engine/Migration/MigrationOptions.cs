using System.Numerics;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Migration;

/// <summary>How a migration is to be done. Serializable.</summary>
public sealed record MigrationOptions
{
    /// <summary>Most bytes a second on the wire; 0 means no limit.</summary>
    public long MaxBytesPerSecond { get; init; }

    /// <summary>Parallel data connections, 1 to 16; 0 lets the engine choose.</summary>
    public int Channels { get; init; }

    /// <summary>Switch over once the rest is expected to take at most this long.</summary>
    public TimeSpan DowntimeLimit { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Most passes over memory before the migration gives up (and rolls back).</summary>
    public int MaxPasses { get; init; } = 30;

    /// <summary>The least share of its time that a slowed-down guest keeps, above 0 to 1; 1 never slows it down.</summary>
    public double MinVcpuShare { get; init; } = 0.2;

    /// <summary>Hash all memory on both sides while the VM is paused, and roll back on a difference.</summary>
    public bool VerifyMemory { get; init; }

    /// <summary>Fill the destination's page tables before the VM resumes.</summary>
    public bool PopulatePageTables { get; init; } = true;

    /// <summary>
    /// Unit in which writes are traced, in bytes: a power of two from 4096 to 1 GiB; 0 lets the engine measure which costs the guest least.
    /// </summary>
    public int WriteTraceGranularityBytes { get; init; } = WriteTrace.AutoGranularity;

    /// <summary>Give the destination's VM large pages where the source's has them.</summary>
    public bool PreserveLargePages { get; init; } = true;

    /// <summary>Whether the VM may resume before all of its memory is there.</summary>
    public PostcopyPolicy Postcopy { get; init; } = PostcopyPolicy.Never;

    /// <summary>Use the hypervisor's own migration even where the engine could move the memory itself.</summary>
    public bool ForceHypervisorMigration { get; init; }

    /// <summary>
    /// Move the VM's disks with it, for hosts that share no storage: what the guest writes goes to an overlay, the image below is copied and
    /// the overlay mirrored. A further try goes on from what an earlier one left.
    /// </summary>
    public bool IncludeDisks { get; init; }

    /// <summary>
    /// With <see cref="IncludeDisks"/>: directory of the destination host that the disks come to, absolute or relative to its datastore; null
    /// takes the datastore itself.
    /// </summary>
    public string? DiskDirectory { get; init; }

    /// <summary>With <see cref="IncludeDisks"/>: whether images are compressed on their way.</summary>
    public DiskCompression DiskCompression { get; init; } = DiskCompression.None;

    /// <summary>
    /// With <see cref="IncludeDisks"/>: remove the disks' files from the source once the VM runs at the destination. Otherwise they stay, and
    /// <see cref="VmDiskResult.FilesLeftAtSource"/> names them. Read-only disks always stay: other VMs may use them.
    /// </summary>
    public bool RemoveSourceDisks { get; init; }

    /// <summary>Checks every value against its limits.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/>, naming the value.</exception>
    public void Validate()
    {
        Require(MaxBytesPerSecond == 0 || MaxBytesPerSecond >= BandwidthLimit.MinBytesPerSecond, nameof(MaxBytesPerSecond),
            $"0 or at least {BandwidthLimit.MinBytesPerSecond}");
        Require(Channels is >= 0 and <= 16, nameof(Channels), "0 to 16");
        Require(DowntimeLimit > TimeSpan.Zero, nameof(DowntimeLimit), "positive");
        Require(MaxPasses >= 1, nameof(MaxPasses), "at least 1");
        Require(WriteTraceGranularityBytes == 0
            || (WriteTraceGranularityBytes >= GuestMemory.PageSizeBytes && BitOperations.IsPow2(WriteTraceGranularityBytes)),
            nameof(WriteTraceGranularityBytes),
            $"0 or a power of two from {GuestMemory.PageSizeBytes} to {WriteTrace.MaxGranularityBytes}");
        Require(Postcopy != PostcopyPolicy.Invalid && Enum.IsDefined(Postcopy), nameof(Postcopy), "one of the known policies");
        Require(MinVcpuShare is > 0 and <= 1, nameof(MinVcpuShare), "above 0 and at most 1");
        Require(DiskDirectory is not { Length: 0 }, nameof(DiskDirectory), "a path or null");
        Require(DiskCompression != DiskCompression.Invalid && Enum.IsDefined(DiskCompression), nameof(DiskCompression),
            "one of the known ones");
    }

    private static void Require(bool holds, string name, string bounds)
    {
        if (!holds) throw new MigrationException(MigrationErrorReason.InvalidArgument, $"{name} must be {bounds}.");
    }
}
