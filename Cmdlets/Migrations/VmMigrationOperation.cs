using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>A snapshot of a migration, under way or ended.</summary>
public sealed record VmMigrationOperation
{
    /// <summary>Id of the migration on both hosts.</summary>
    public required Guid Id { get; init; }

    /// <summary>The VM that moves.</summary>
    public required Guid VmId { get; init; }

    /// <summary>Its name.</summary>
    public required string VmName { get; init; }

    /// <summary>The host it leaves.</summary>
    public required string SourceHostName { get; init; }

    /// <summary>The host it goes to.</summary>
    public required string DestinationHostName { get; init; }

    /// <summary>How the connections between the hosts are protected.</summary>
    public LinkSecurity LinkSecurity { get; init; }

    /// <summary>Where it stood.</summary>
    public required MigrationState State { get; init; }

    /// <summary>How much of the work was done, 0 to 100: an estimate, for nobody knows how many passes it takes.</summary>
    public required int PercentComplete { get; init; }

    /// <summary>When it was started, UTC.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When it ended, UTC; null while it runs.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Pass under way, from 1; 0 before the first.</summary>
    public int Pass { get; init; }

    /// <summary>Pages of this pass that were done.</summary>
    public long PagesDone { get; init; }

    /// <summary>Pages this pass set out with.</summary>
    public long PagesInPass { get; init; }

    /// <summary>Bytes put on the wire.</summary>
    public long BytesSent { get; init; }

    /// <summary>Throughput of late.</summary>
    public double BytesPerSecond { get; init; }

    /// <summary>How fast the guest wrote during the last pass; 0 before it is known.</summary>
    public double DirtyBytesPerSecond { get; init; }

    /// <summary>Share of its time the guest is held to; 1 means not slowed down.</summary>
    public double VcpuShare { get; init; }

    /// <summary>Pages missing at the destination, where the VM runs already; 0 otherwise.</summary>
    public long PagesMissing { get; init; }

    /// <summary>The disks that move with the VM, in the order of its specification; empty where none do.</summary>
    public IReadOnlyList<VmDiskProgress> Disks { get; init; } = [];

    /// <summary>What it did and cost; null unless completed.</summary>
    public VmMigrationResult? Result { get; init; }

    /// <summary>Error id of why it did not complete; null where nothing failed.</summary>
    public string? ErrorId { get; init; }

    /// <summary>What happened, in a sentence; null where nothing failed.</summary>
    public string? ErrorMessage { get; init; }

    /// <summary>What to do next; null where nothing failed or the message says it.</summary>
    public string? RecommendedAction { get; init; }

    /// <summary>Whether it had ended, whichever way.</summary>
    public bool HasEnded => State is MigrationState.Completed or MigrationState.RolledBack or MigrationState.Undecided;

    /// <summary>The VM, the two hosts and the state.</summary>
    public override string ToString() => $"{VmName}: {SourceHostName} → {DestinationHostName}, {State}";

    internal static VmMigrationOperation From(MigrationStatus status) => new()
    {
        Id = status.Id,
        VmId = status.VmId,
        VmName = status.VmName,
        SourceHostName = status.SourceHostName,
        DestinationHostName = status.DestinationHostName,
        LinkSecurity = (LinkSecurity)status.LinkSecurity,
        State = (MigrationState)status.State,
        PercentComplete = MigrationProgressRecord.PercentOf(status),
        StartedAt = status.StartedAt,
        EndedAt = status.EndedAt,
        Pass = status.Progress.Pass,
        PagesDone = status.Progress.PagesDone,
        PagesInPass = status.Progress.PagesInPass,
        BytesSent = status.Progress.BytesSent,
        BytesPerSecond = status.Progress.BytesPerSecond,
        DirtyBytesPerSecond = status.Progress.DirtyBytesPerSecond,
        VcpuShare = status.Progress.VcpuShare,
        PagesMissing = status.Progress.PagesMissing,
        Disks = [.. status.Progress.Disks.Select(VmDiskProgress.From)],
        Result = VmMigrationResult.From(status),
        ErrorId = status.ErrorReason == Engine.MigrationErrorReason.Invalid ? null : status.ErrorReason.ToString(),
        ErrorMessage = status.ErrorMessage,
        RecommendedAction = status.RecommendedAction,
    };
}
