using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// Makes a mobility path on all hosts that take part, or on none. Each host is told the physical addresses its own end needs and no others;
/// the session is the only one that knows them all.
/// </summary>
public static class MobilityPathBroker
{
    /// <summary>Says what keeps the hosts from making such a path, and changes nothing.</summary>
    /// <param name="kind">The kind of path.</param>
    /// <param name="source">The host that is to connect.</param>
    /// <param name="destination">The host that is to be connected to.</param>
    /// <param name="gateway">The host between them; null for a kind that needs none.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static Task<IReadOnlyList<PreflightFinding>> CheckAsync(
        MobilityPathKind kind, IMigrationHost source, IMigrationHost destination, IMigrationHost? gateway,
        CancellationToken cancellationToken) => throw NotYet();

    /// <summary>Makes the ends on all hosts side by side; where one fails, those that were made are removed again.</summary>
    /// <param name="kind">The kind of path; not <see cref="MobilityPathKind.Direct"/>.</param>
    /// <param name="source">The host that is to connect.</param>
    /// <param name="destination">The host that is to be connected to.</param>
    /// <param name="gateway">The host between them; null for a kind that needs none.</param>
    /// <param name="cancellationToken">Cancels the call; nothing is left then.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.PrerequisiteMissing"/> for what <see cref="CheckAsync"/> finds, and whatever keeps a host from making
    /// its end.
    /// </exception>
    public static Task<MobilityPath> CreateAsync(
        MobilityPathKind kind, IMigrationHost source, IMigrationHost destination, IMigrationHost? gateway,
        CancellationToken cancellationToken) => throw NotYet();

    /// <summary>The paths that these hosts have ends of.</summary>
    public static Task<IReadOnlyList<MobilityPath>> ListAsync(
        IReadOnlyCollection<IMigrationHost> hosts, CancellationToken cancellationToken) => throw NotYet();

    /// <summary>Measures the round trip from the source to the destination over the path; null where nothing answers.</summary>
    public static Task<TimeSpan?> TestAsync(Guid pathId, IMigrationHost source, CancellationToken cancellationToken) => throw NotYet();

    /// <summary>Removes the ends that these hosts have of a path; tries every host before it reports a failure.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> while a migration uses it.</exception>
    public static Task RemoveAsync(
        Guid pathId, IReadOnlyCollection<IMigrationHost> hosts, CancellationToken cancellationToken) => throw NotYet();

    private static MigrationException NotYet() => new(MigrationErrorReason.PrerequisiteMissing, "not yet.");
}
