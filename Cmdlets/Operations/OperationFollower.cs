using System.Diagnostics;
using System.Runtime.CompilerServices;
using VmMigration.Engine;

namespace VmMigration.Cmdlets;

/// <summary>
/// Follows an operation whose host may be out of reach for a while: an agent that restarts or a network that fails ends neither the
/// operation nor the watching.
/// </summary>
internal sealed class OperationFollower
{
    /// <summary>How long the host may be out of reach at a time.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Time between two attempts to reach it.</summary>
    public TimeSpan AttemptInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Called once for each loss of the connection.</summary>
    public Action<MigrationException>? Lost { get; init; }

    /// <summary>The reports of the operation until it has ended.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.ConnectionLost"/> where the host stayed out of reach longer than <see cref="Patience"/>, or is no host of
    /// this session any more.
    /// </exception>
    public async IAsyncEnumerable<OperationReport> FollowAsync(
        HostOperation operation, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long? lostAt = null;
        while (true)
        {
            IAsyncEnumerator<OperationReport> reports = operation.WatchAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
            await using (reports.ConfigureAwait(false))
            {
                while (true)
                {
                    try
                    {
                        if (!await reports.MoveNextAsync().ConfigureAwait(false)) yield break;
                    }
                    catch (MigrationException exception) when (MayComeBack(operation, exception))
                    {
                        if (lostAt is null) Lost?.Invoke(exception);
                        lostAt ??= Stopwatch.GetTimestamp();
                        if (Stopwatch.GetElapsedTime(lostAt.Value) > Patience) throw GivenUp(operation, exception);
                        break;
                    }

                    lostAt = null;
                    yield return reports.Current;
                }
            }

            await Task.Delay(AttemptInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    private static bool MayComeBack(HostOperation operation, MigrationException exception) =>
        exception.Reason == MigrationErrorReason.ConnectionLost && HostRegistry.IsOpen(operation.Host);

    private MigrationException GivenUp(HostOperation operation, MigrationException last) => new(
        MigrationErrorReason.ConnectionLost,
        $"Host {operation.Host.Name} has been out of reach for {Patience}; nobody here knows how the {operation.Title} goes on. {last.Message}",
        $"The hosts go on without this session. Mend the connection, then follow it again: {operation.FollowCommand}", last);
}
