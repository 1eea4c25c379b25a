using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>How a migration is to be done.</summary>
public sealed record VmMigrationOptions
{
    /// <summary>Most bytes a second on the wire; 0 means no limit.</summary>
    public long MaxBytesPerSecond { get; init; }

    /// <summary>Parallel data connections; 0 lets the engine choose.</summary>
    public int Channels { get; init; }

    /// <summary>Switch over once the rest is expected to take at most this long.</summary>
    public TimeSpan DowntimeLimit { get; init; }

    /// <summary>Most passes over memory before the migration gives up.</summary>
    public int MaxPasses { get; init; }

    /// <summary>The least share of its time that a slowed-down guest keeps; 1 never slows it down.</summary>
    public double MinVcpuShare { get; init; }

    /// <summary>Whether all memory is hashed and compared while the VM is paused.</summary>
    public bool VerifyMemory { get; init; }

    /// <summary>Whether the destination's page tables are filled before the VM resumes.</summary>
    public bool PopulatePageTables { get; init; }

    /// <summary>Unit in which writes are traced, in bytes; 0 lets the engine measure which costs the guest least.</summary>
    public int WriteTraceGranularityBytes { get; init; }

    /// <summary>Whether the destination's VM gets large pages where the source's has them.</summary>
    public bool PreserveLargePages { get; init; }

    /// <summary>Whether the VM may resume before all of its memory is there.</summary>
    public PostcopyPolicy Postcopy { get; init; }

    /// <summary>Whether the hypervisor's own migration is used even where the engine could move the memory itself.</summary>
    public bool UseHypervisorMigration { get; init; }

    /// <summary>Whether the VM's disks move with it.</summary>
    public bool IncludeDisks { get; init; }

    /// <summary>Directory of the destination host that they come to; null for its datastore.</summary>
    public string? DiskDirectory { get; init; }

    /// <summary>Whether they are compressed on their way.</summary>
    public DiskCompression DiskCompression { get; init; }

    /// <summary>Whether their files are removed from the source once the VM runs at the destination.</summary>
    public bool RemoveSourceDisks { get; init; }

    internal static VmMigrationOptions From(MigrationOptions options) => new()
    {
        MaxBytesPerSecond = options.MaxBytesPerSecond,
        Channels = options.Channels,
        DowntimeLimit = options.DowntimeLimit,
        MaxPasses = options.MaxPasses,
        MinVcpuShare = options.MinVcpuShare,
        VerifyMemory = options.VerifyMemory,
        PopulatePageTables = options.PopulatePageTables,
        WriteTraceGranularityBytes = options.WriteTraceGranularityBytes,
        PreserveLargePages = options.PreserveLargePages,
        Postcopy = (PostcopyPolicy)options.Postcopy,
        UseHypervisorMigration = options.ForceHypervisorMigration,
        IncludeDisks = options.IncludeDisks,
        DiskDirectory = options.DiskDirectory,
        DiskCompression = (DiskCompression)options.DiskCompression,
        RemoveSourceDisks = options.RemoveSourceDisks,
    };

    internal MigrationOptions ToEngine() => new()
    {
        MaxBytesPerSecond = MaxBytesPerSecond,
        Channels = Channels,
        DowntimeLimit = DowntimeLimit,
        MaxPasses = MaxPasses,
        MinVcpuShare = MinVcpuShare,
        VerifyMemory = VerifyMemory,
        PopulatePageTables = PopulatePageTables,
        WriteTraceGranularityBytes = WriteTraceGranularityBytes,
        PreserveLargePages = PreserveLargePages,
        Postcopy = (Engine.Migration.PostcopyPolicy)Postcopy,
        ForceHypervisorMigration = UseHypervisorMigration,
        IncludeDisks = IncludeDisks,
        DiskDirectory = DiskDirectory,
        DiskCompression = (Engine.Disks.DiskCompression)DiskCompression,
        RemoveSourceDisks = RemoveSourceDisks,
    };
}
