using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Migration;

/// <summary>How a post-copy whose link broke goes on: over a new link, or not at all.</summary>
internal sealed class PostcopyRecovery
{
    private PostcopyRecovery()
    {
    }

    /// <summary>The new link; null where it goes on over none.</summary>
    public SourceLink? Link { get; private init; }

    /// <summary>What the destination misses; with a link only.</summary>
    public PageSet? Missing { get; private init; }

    /// <summary>Why the destination can never take the pages; null where it can, or needs none.</summary>
    public MigrationException? Failure { get; private init; }

    /// <summary>Ends once whoever waits for the recovery has taken it; fails where nobody will.</summary>
    public TaskCompletionSource Taken { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Pages flow over a new link.</summary>
    public static PostcopyRecovery Over(SourceLink link, PageSet missing) => new() { Link = link, Missing = missing };

    /// <summary>The destination needs nothing more: it has all pages, or the VM ended there.</summary>
    public static PostcopyRecovery NotNeeded() => new();

    /// <summary>The destination can never take the pages.</summary>
    public static PostcopyRecovery Impossible(MigrationException failure) => new() { Failure = failure };
}
