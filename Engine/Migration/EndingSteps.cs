using Serilog;

namespace VmMigration.Engine.Migration;

/// <summary>Runs the steps that end a migration: one that fails is logged and must not keep the others from happening.</summary>
internal sealed class EndingSteps(ILogger log)
{
    /// <param name="step">What is tried, as it completes the sentence 'the migration could not …'.</param>
    /// <param name="run">The step.</param>
    /// <returns>Whether it succeeded.</returns>
    public async Task<bool> TryAsync(string step, Func<Task> run)
    {
        try
        {
            await run().ConfigureAwait(false);
            return true;
        }
        catch (Exception error)
        {
            log.Warning(error, "At its end the migration could not {Step}", step);
            return false;
        }
    }
}
