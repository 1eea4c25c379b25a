using Serilog;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Pauses and resumes a VM in the background, each after the one before. While a page is missing a pause may not end before the page has
/// come, which must not keep the pages from coming.
/// </summary>
internal sealed class RunStateChain(ILogger log)
{
    private readonly Lock gate = new();
    private Task last = Task.CompletedTask;

    /// <summary>Ends when everything before has.</summary>
    public Task Done
    {
        get
        {
            lock (gate) return last;
        }
    }

    /// <summary>Changes the state once the changes before are done.</summary>
    /// <param name="what">The change, as it completes the sentence 'the VM could not be …'.</param>
    /// <param name="change">Makes it.</param>
    public void Append(string what, Func<Task> change)
    {
        lock (gate) last = RunAfterAsync(last, what, change);
    }

    private async Task RunAfterAsync(Task before, string what, Func<Task> change)
    {
        await before.ConfigureAwait(false);
        try
        {
            await change().ConfigureAwait(false);
        }
        catch (Exception error)
        {
            log.Error(error, "The VM could not be {What}", what);
        }
    }
}
