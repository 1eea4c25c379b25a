namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>Runs the cmdlets of a runbook's steps. The engine knows no PowerShell; whoever hosts it implements this.</summary>
public interface IStepInvoker : IPropertyReader
{
    /// <summary>Runs one cmdlet to its end. May be called several times at once.</summary>
    /// <param name="invocation">What to run.</param>
    /// <param name="activity">Takes progress and warnings while it runs.</param>
    /// <param name="cancellationToken">Stops the cmdlet; the task ends once it has stopped.</param>
    /// <returns>What the cmdlet returned, in order.</returns>
    /// <exception cref="StepFailedException">The cmdlet reported an error.</exception>
    Task<IReadOnlyList<object?>> InvokeAsync(
        StepInvocation invocation, IProgress<StepActivity>? activity, CancellationToken cancellationToken);
}
