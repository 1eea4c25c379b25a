using System.Collections.Concurrent;

namespace VmMigration.Cmdlets;

/// <summary>
/// Runs asynchronous work for a cmdlet: the work runs on the thread pool and posts what it has to say, the pipeline thread says it.
/// PowerShell's Write methods throw on every other thread.
/// </summary>
internal sealed class PipelineQueue : IDisposable
{
    private readonly BlockingCollection<Action> actions = [];

    /// <summary>Hands an action to the pipeline thread; dropped once the cmdlet has stopped listening.</summary>
    public void Post(Action action)
    {
        try
        {
            actions.Add(action);
        }
        catch (InvalidOperationException) when (actions.IsAddingCompleted)
        {
            // The pipeline was stopped, or a later command wanted no more: nobody is left to hear it.
        }
    }

    /// <summary>Runs the work to its end while carrying out what it posts. Only for the pipeline thread, once for an instance.</summary>
    /// <exception cref="OperationCanceledException">Where <paramref name="cancellationToken"/> was cancelled.</exception>
    public void Run(Func<PipelineQueue, CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        // Its own source: a pipeline that ends early (Select-Object -First) throws out of an action and cancels no token.
        using var source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task running = Task.Run(() => work(this, source.Token), CancellationToken.None);
        running.ContinueWith(_ => actions.CompleteAdding(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        try
        {
            // No token: cancelled work ends soon and may still have something to say, for example what it cleaned up.
            foreach (Action action in actions.GetConsumingEnumerable(CancellationToken.None)) action();
        }
        catch
        {
            source.Cancel();
            // The action's exception is the one to report; the work ends by its cancelled token.
            ((IAsyncResult)running).AsyncWaitHandle.WaitOne();
            throw;
        }

        running.GetAwaiter().GetResult();
    }

    public void Dispose() => actions.Dispose();
}
