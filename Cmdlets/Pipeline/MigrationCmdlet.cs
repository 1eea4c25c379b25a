using System.Management.Automation;
using VmMigration.Engine;

namespace VmMigration.Cmdlets;

/// <summary>
/// Base of all cmdlets: runs engine calls so that Ctrl+C ends them, and turns the engine's exception into error records.
/// </summary>
public abstract class MigrationCmdlet : PSCmdlet
{
    /// <summary>
    /// Runs engine work to its end. A <see cref="MigrationException"/> becomes a non-terminating error about
    /// <paramref name="target"/>, a cancellation by the pipeline ends the pipeline.
    /// </summary>
    /// <returns>Whether the work succeeded.</returns>
    internal bool Attempt(object? target, Func<PipelineQueue, CancellationToken, Task> work)
    {
        using var queue = new PipelineQueue();
        try
        {
            queue.Run(work, PipelineStopToken);
            return true;
        }
        catch (MigrationException exception)
        {
            WriteError(MigrationError.ToRecord(exception, target));
        }
        catch (OperationCanceledException) when (PipelineStopToken.IsCancellationRequested)
        {
            throw new PipelineStoppedException();
        }
        catch (OperationCanceledException exception)
        {
            WriteError(MigrationError.ToRecord(
                new MigrationException(MigrationErrorReason.Cancelled, "The operation was cancelled.", null, exception), target));
        }

        return false;
    }

    /// <summary>
    /// As <see cref="Attempt(object?, Func{PipelineQueue, CancellationToken, Task})"/>, for work that says nothing meanwhile.
    /// </summary>
    internal bool Attempt(object? target, Func<CancellationToken, Task> work) => Attempt(target, (_, token) => work(token));

    /// <summary>Runs engine work that has a result.</summary>
    /// <returns>The result; the default value where an error was written.</returns>
    internal T? Attempt<T>(object? target, Func<CancellationToken, Task<T>> work)
    {
        T? result = default;
        Attempt(target, async (_, token) => result = await work(token).ConfigureAwait(false));
        return result;
    }

    /// <summary>
    /// Asks as <see cref="Cmdlet.ShouldProcess(string, string)"/> does, but not where -Force was given; -WhatIf and -Confirm go before it.
    /// </summary>
    /// <returns>Whether to act.</returns>
    internal bool IsAgreed(bool force, string target, string action)
    {
        bool asks = MyInvocation.BoundParameters.ContainsKey("WhatIf") || MyInvocation.BoundParameters.ContainsKey("Confirm");
        if (!force || asks || LanguagePrimitives.IsTrue(GetVariableValue("WhatIfPreference"))) return ShouldProcess(target, action);
        WriteVerbose($"{action}: {target}");
        return true;
    }
}
