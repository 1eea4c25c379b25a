namespace VmMigration.Engine.Hosts;

/// <summary>One side of a migration that is under way, with the means to cancel it and to wait for its end.</summary>
internal sealed class RunningMigration<T>(T migration, CancellationToken hostClosing)
{
    private readonly CancellationTokenSource cancel = CancellationTokenSource.CreateLinkedTokenSource(hostClosing);

    public T Migration => migration;

    /// <summary>Ends when the migration has, whichever way.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>Starts it in the background.</summary>
    public void Start(Func<CancellationToken, Task> run) => Ended = Task.Run(() => run(cancel.Token), CancellationToken.None);

    /// <summary>Asks it to end and waits until it has.</summary>
    public async Task CancelAsync()
    {
        await cancel.CancelAsync().ConfigureAwait(false);
        await Ended.ConfigureAwait(false);
    }
}
