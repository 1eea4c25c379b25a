using System.Diagnostics;
using System.Runtime.CompilerServices;
using VmMigration.Engine;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>
/// Follows a migration whose source host may be out of reach for a while: an agent that restarts or a network that fails ends neither the
/// migration nor the watching.
/// </summary>
internal sealed class MigrationFollower
{
    /// <summary>How long the source host may be out of reach at a time.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Time between two attempts to reach it.</summary>
    public TimeSpan AttemptInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Called once for each loss of the connection.</summary>
    public Action<MigrationException>? Lost { get; init; }

    /// <summary>The statuses of the migration until it has ended.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.ConnectionLost"/> where the host stayed out of reach longer than <see cref="Patience"/>, or is no host of
    /// this session any more.
    /// </exception>
    public async IAsyncEnumerable<MigrationStatus> FollowAsync(
        LocatedMigration migration, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long? lostAt = null;
        while (true)
        {
            IAsyncEnumerator<MigrationStatus> statuses =
                migration.Host.WatchMigrationAsync(migration.Status.Id, cancellationToken).GetAsyncEnumerator(cancellationToken);
            await using (statuses.ConfigureAwait(false))
            {
                while (true)
                {
                    try
                    {
                        if (!await statuses.MoveNextAsync().ConfigureAwait(false)) yield break;
                    }
                    catch (MigrationException exception) when (MayComeBack(migration, exception))
                    {
                        if (lostAt is null) Lost?.Invoke(exception);
                        lostAt ??= Stopwatch.GetTimestamp();
                        if (Stopwatch.GetElapsedTime(lostAt.Value) > Patience) throw GivenUp(migration, exception);
                        break;
                    }

                    lostAt = null;
                    yield return statuses.Current;
                }
            }

            await Task.Delay(AttemptInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    private static bool MayComeBack(LocatedMigration migration, MigrationException exception) =>
        exception.Reason == MigrationErrorReason.ConnectionLost && HostRegistry.IsOpen(migration.Host);

    private MigrationException GivenUp(LocatedMigration migration, MigrationException last) => new(
        MigrationErrorReason.ConnectionLost,
        $"Host {migration.Host.Name} has been out of reach for {Patience}; nobody here knows how the {migration.Title} goes on. {last.Message}",
        $"The hosts go on without this session. Mend the connection, then follow it again: Wait-VmMigration -Id {migration.Status.Id}", last);
}
