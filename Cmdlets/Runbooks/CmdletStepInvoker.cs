using System.Collections.Concurrent;
using System.Management.Automation;
using System.Management.Automation.Runspaces;
using VmMigration.Engine.Runbooks;
using VmMigration.Engine.Runbooks.Execution;

namespace VmMigration.Cmdlets;

/// <summary>
/// Runs the steps of a runbook on the PowerShell engine: each call in a runspace of its own that knows this module's cmdlets and nobody
/// else's. Runspaces are kept for later calls until disposal; without it their threads would keep the process alive.
/// </summary>
internal sealed class CmdletStepInvoker : IStepInvoker, IDisposable
{
    private const string CancelOnStop = nameof(StartVmMigrationCommand.CancelOnStop);

    private readonly ConcurrentBag<Runspace> idle = [];
    private readonly ConcurrentBag<Runspace> opened = [];
    private readonly string? workingDirectory;

    /// <param name="workingDirectory">What relative paths are relative to; null takes the process's directory.</param>
    public CmdletStepInvoker(string? workingDirectory) => this.workingDirectory = workingDirectory;

    /// <inheritdoc/>
    public async Task<IReadOnlyList<object?>> InvokeAsync(
        StepInvocation invocation, IProgress<StepActivity>? activity, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Runspace runspace = idle.TryTake(out Runspace? kept) ? kept : Open();
        using var shell = PowerShell.Create(runspace);
        shell.AddCommand(invocation.Cmdlet);
        foreach ((string name, object? value) in invocation.Arguments) shell.AddParameter(name, StepValueConversion.ToPowerShell(value));
        if (StopsItsWork(invocation)) shell.AddParameter(CancelOnStop, true);
        if (activity is not null) Forward(shell.Streams, activity);
        try
        {
            // InvokeAsync: a blocking Invoke would hold a thread of the pool that the engine's own work needs.
            Task<PSDataCollection<PSObject>> running = shell.InvokeAsync();
            using CancellationTokenRegistration stop = cancellationToken.Register(() => shell.BeginStop(null, null));
            PSDataCollection<PSObject> outputs = await running.ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            if (shell.Streams.Error.Count > 0) throw StepFailureOf(invocation, [.. shell.Streams.Error]);
            return [.. outputs.Select(StepValueConversion.FromPowerShell)];
        }
        catch (PipelineStoppedException stopped)
        {
            throw new OperationCanceledException($"'{invocation.Cmdlet}' was stopped.", stopped, cancellationToken);
        }
        catch (RuntimeException failure)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw StepFailureOf(invocation, [failure.ErrorRecord]);
        }
        finally
        {
            if (runspace.RunspaceStateInfo.State == RunspaceState.Opened) idle.Add(runspace);
        }
    }

    /// <inheritdoc/>
    public bool TryGetProperty(object source, string name, out object? value) =>
        StepValueConversion.TryGetProperty(source, name, out value);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Runspace runspace in opened) runspace.Dispose();
    }

    /// <summary>Whoever cancels a runbook means the work of its step, not only the waiting for it; a runbook can say otherwise.</summary>
    private static bool StopsItsWork(StepInvocation invocation) => !invocation.Arguments.ContainsKey(CancelOnStop)
        && CmdletCatalog.Catalog.TryFind(invocation.Cmdlet, out StepCmdlet? cmdlet) && cmdlet.TryFindParameter(CancelOnStop, out _);

    private Runspace Open()
    {
        // CreateDefault and the overloads without a session state need the pwsh console host, which a runner does not have.
        var state = InitialSessionState.CreateDefault2();
        foreach ((string name, Type type) in CmdletCatalog.Types) state.Commands.Add(new SessionStateCmdletEntry(name, type, null));

        // Nobody is there to be asked.
        state.Variables.Add(new SessionStateVariableEntry("ConfirmPreference", ConfirmImpact.None, null));
        Runspace runspace = RunspaceFactory.CreateRunspace(state);
        opened.Add(runspace);
        runspace.Open();
        if (workingDirectory is not null) runspace.SessionStateProxy.Path.SetLocation(WildcardPattern.Escape(workingDirectory));
        return runspace;
    }

    private static void Forward(PSDataStreams streams, IProgress<StepActivity> activity)
    {
        streams.Progress.DataAdded += (_, added) =>
        {
            ProgressRecord record = streams.Progress[added.Index];
            activity.Report(new()
            {
                ActivityId = record.ActivityId,
                Activity = record.Activity,
                Status = record.StatusDescription,
                PercentComplete = record.PercentComplete < 0 ? null : record.PercentComplete,
                IsCompleted = record.RecordType == ProgressRecordType.Completed,
            });
        };
        streams.Warning.DataAdded += (_, added) => activity.Report(new() { Warning = streams.Warning[added.Index].Message });
    }

    private static StepFailedException StepFailureOf(StepInvocation invocation, IReadOnlyList<ErrorRecord> errors)
    {
        ErrorRecord first = errors[0];
        string message = first.ErrorDetails?.Message is { Length: > 0 } details ? details : first.Exception.Message;
        string more = errors.Count > 1 ? $" ({errors.Count - 1} more errors of {invocation.Cmdlet})" : "";
        string? action = first.ErrorDetails?.RecommendedAction;

        // The id's second part names the cmdlet's class, which is no contract.
        string errorId = first.FullyQualifiedErrorId.Split(',')[0];
        return new(errorId, message + more, string.IsNullOrEmpty(action) ? null : action, first.Exception);
    }
}
