using System.Diagnostics.CodeAnalysis;

namespace VmMigration.Engine.Migration;

/// <summary>A lock that is waited for without a thread. Not reentrant.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A SemaphoreSlim whose wait handle was never asked for holds nothing to release.")]
internal sealed class AsyncLock
{
    private readonly SemaphoreSlim gate = new(1, 1);

    /// <summary>Waits for the lock.</summary>
    /// <returns>Gives the lock back when disposed, which must happen once.</returns>
    public async Task<Holder> EnterAsync(CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new(gate);
    }

    /// <summary>Holds the lock until disposed.</summary>
    internal readonly struct Holder(SemaphoreSlim gate) : IDisposable
    {
        /// <summary>Gives the lock back.</summary>
        public void Dispose() => gate.Release();
    }
}
