namespace VmMigration.Engine.Hosts;

/// <summary>One side of a migration that is under way, with the means to cancel it and to wait for its end.</summary>
internal sealed class RunningMigration<T>
{
    private readonly Lock gate = new();
    private readonly CancellationTokenSource cancel;
    private bool ended;

    /// <summary>Starts it in the background.</summary>
    public RunningMigration(T migration, Func<CancellationToken, Task> run, CancellationToken hostClosing)
    {
        Migration = migration;
        cancel = CancellationTokenSource.CreateLinkedTokenSource(hostClosing);
        Ended = RunAsync(run);
    }

    public T Migration { get; }

    /// <summary>Ends when the migration has, whichever way.</summary>
    public Task Ended { get; }

    /// <summary>Asks it to end and waits until it has.</summary>
    public async Task CancelAsync()
    {
        Task cancelling;
        lock (gate) cancelling = ended ? Task.CompletedTask : cancel.CancelAsync();
        await cancelling.ConfigureAwait(false);
        await Ended.ConfigureAwait(false);
    }

    private async Task RunAsync(Func<CancellationToken, Task> run)
    {
        try
        {
            CancellationToken token = cancel.Token;
            await Task.Run(() => run(token), CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            lock (gate) ended = true;
            cancel.Dispose();
        }
    }
}
