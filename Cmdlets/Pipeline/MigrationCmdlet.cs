using System.Management.Automation;
using VmMigration.Engine;

namespace VmMigration.Cmdlets;

/// <summary>
/// Base of all cmdlets: runs engine calls so that Ctrl+C ends them, and turns the engine's exception into error records.
/// </summary>
public abstract class MigrationCmdlet : PSCmdlet
{
    private readonly HashSet<string> failedHosts = new(StringComparer.OrdinalIgnoreCase);

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
    /// Looks for something on several hosts. Each host that could not be asked is named once in a command: by a warning where what was
    /// looked for was found all the same, else by a non-terminating error, because something may be missing then.
    /// </summary>
    /// <param name="target">What was looked for, for error records.</param>
    /// <param name="search">The search.</param>
    /// <returns>What was found; nothing where an error was written.</returns>
    internal IReadOnlyList<T> AttemptSearch<T>(object target, Func<CancellationToken, Task<HostAnswers<T>>> search)
    {
        if (Attempt(target, search) is not { } answers) return [];
        bool mayLack = answers.Items.Count == 0 || (target is string name && WildcardPattern.ContainsWildcardCharacters(name));
        foreach (HostFailure failure in answers.Failures) WriteHostFailure(failure, mayLack);
        return answers.Items;
    }

    /// <summary>Names a host that could not be asked; once in a command, however often it was.</summary>
    internal void WriteHostFailure(HostFailure failure, bool isError)
    {
        if (!failedHosts.Add(failure.Host.Name)) return;
        if (isError) WriteError(MigrationError.ToRecord(failure.Exception, failure.Host.Name));
        else WriteWarning($"Host {failure.Host.Name} was left out: {failure.Exception.Message}");
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
