using System.Runtime.CompilerServices;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Holds the one status of an operation and tells watchers. Safe to use from several threads. A slow watcher skips statuses in between; it
/// never misses the last.
/// </summary>
/// <param name="initial">The first status.</param>
/// <param name="hasEnded">Whether no other status follows one.</param>
/// <param name="observe">Is told of each later status, one at a time; must neither throw nor wait.</param>
internal sealed class StatusFeed<TStatus>(TStatus initial, Func<TStatus, bool> hasEnded, Action<TStatus>? observe = null)
    where TStatus : class
{
    private readonly Lock gate = new();
    private TStatus status = initial;
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TStatus Current
    {
        get
        {
            lock (gate) return status;
        }
    }

    /// <summary>Changes the status and wakes the watchers. What <paramref name="change"/> throws leaves it as it was.</summary>
    public void Publish(Func<TStatus, TStatus> change)
    {
        TaskCompletionSource waiting;
        lock (gate)
        {
            status = change(status);
            observe?.Invoke(status);
            waiting = changed;
            changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        waiting.SetResult();
    }

    /// <summary>The present status at once, then each later one; ends after one that has ended.</summary>
    public async IAsyncEnumerable<TStatus> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            TStatus current;
            Task next;
            lock (gate)
            {
                current = status;
                next = changed.Task;
            }

            yield return current;
            if (hasEnded(current)) yield break;
            await next.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
