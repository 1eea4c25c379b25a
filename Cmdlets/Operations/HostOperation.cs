using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Long work that a host of this session drives, and that cmdlets and jobs follow to its end.</summary>
/// <param name="Host">The host that drives it.</param>
internal abstract record HostOperation(IMigrationHost Host)
{
    /// <summary>Its id on that host.</summary>
    public abstract Guid Id { get; }

    /// <summary>The noun of the cmdlets for it.</summary>
    public abstract string Noun { get; }

    /// <summary>How confirmation prompts and errors call it.</summary>
    public abstract string Title { get; }

    /// <summary>How a job that follows it is called.</summary>
    public abstract string JobName { get; }

    /// <summary>Where it stood when it was found or started.</summary>
    public abstract OperationReport Report { get; }

    /// <summary>The command that follows it again.</summary>
    public string FollowCommand => $"Wait-{Noun} -Id {Id}";

    /// <summary>Where it stands now, and at every change, until it has ended.</summary>
    public abstract IAsyncEnumerable<OperationReport> WatchAsync(CancellationToken cancellationToken);

    /// <summary>Asks the host where it stands now.</summary>
    public abstract Task<OperationReport> ReadAsync(CancellationToken cancellationToken);

    /// <summary>Cancels it and waits until it has ended, whichever way.</summary>
    /// <exception cref="Engine.MigrationException"><see cref="Engine.MigrationErrorReason.InvalidState"/> where it is too late for that.</exception>
    public abstract Task CancelAsync(CancellationToken cancellationToken);
}
