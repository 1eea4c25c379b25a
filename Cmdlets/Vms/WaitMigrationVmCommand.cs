using System.Management.Automation;
using System.Text.RegularExpressions;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using EngineVmState = VmMigration.Engine.Hypervisors.VmState;

namespace VmMigration.Cmdlets;

/// <summary>Waits until the serial consoles of VMs show a line, and writes that line.</summary>
/// <remarks>
/// Several VMs are waited for at once, with one time limit. A VM that ends meanwhile, or whose console has not shown the line in time,
/// gives an error about it. VMs of the embedded hypervisor have no serial console, and that of a VM on another machine is a file there,
/// which cannot be waited for from here.
/// </remarks>
/// <example>
/// <code>Start-MigrationVm web01 -PassThru | Wait-MigrationVm -ConsoleLine 'login:' -Timeout 2min</code>
/// <para>Boots a VM and waits until somebody can log in.</para>
/// </example>
/// <example>
/// <code>Wait-MigrationVm web01 -ConsoleLine '^tick' -NewOnly -Timeout 10</code>
/// <para>Shows that the guest goes on: only lines written from now on count.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Wait, "MigrationVm", DefaultParameterSetName = ByName)]
[OutputType(typeof(MigrationVmConsoleLine))]
public sealed class WaitMigrationVmCommand : VmSelectionCmdlet
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan MatchLimit = TimeSpan.FromSeconds(1);
    private readonly List<LocatedVm> vms = [];

    /// <summary>Regular expression that the line must match; case matters.</summary>
    [Parameter(Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string ConsoleLine { get; set; } = null!;

    /// <summary>Only lines written from now on count.</summary>
    [Parameter]
    public SwitchParameter NewOnly { get; set; }

    /// <summary>Limit for all VMs together: seconds, 2min or a TimeSpan. Without it the cmdlet waits as long as it takes.</summary>
    [Parameter]
    [Duration]
    public TimeSpan? Timeout { get; set; }

    /// <summary>Waits for all chosen VMs.</summary>
    protected override void EndProcessing()
    {
        Regex pattern;
        try
        {
            pattern = new(ConsoleLine, RegexOptions.CultureInvariant, MatchLimit);
        }
        catch (RegexParseException exception)
        {
            ThrowTerminatingError(MigrationError.ToRecord(
                new MigrationException(MigrationErrorReason.InvalidArgument,
                    $"'{ConsoleLine}' is no regular expression: {exception.Message}",
                    "Put a backslash before characters such as ( or [ that are meant as they stand.", exception), ConsoleLine));
            return;
        }

        Attempt(null, async (queue, token) =>
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(token);
            if (Timeout is { } timeout) limit.CancelAfter(timeout);
            await Task.WhenAll(vms.Select(vm => WaitForAsync(vm, pattern, queue, limit.Token, token))).ConfigureAwait(false);
        });
    }

    private protected override void ProcessVm(LocatedVm vm, object target) => vms.Add(vm);

    private async Task WaitForAsync(
        LocatedVm vm, Regex pattern, PipelineQueue queue, CancellationToken limit, CancellationToken pipelineStop)
    {
        try
        {
            string line = await FindLineAsync(vm, pattern, limit).ConfigureAwait(false);
            queue.Post(() => WriteObject(new MigrationVmConsoleLine(vm.Id, vm.Name, vm.Host.Name, line)));
        }
        catch (OperationCanceledException) when (!pipelineStop.IsCancellationRequested)
        {
            Fail(MigrationErrorReason.TimedOut, $"The console of {vm.Title} showed no line like '{ConsoleLine}' within {Timeout}.",
                $"Read {vm.Vm.Instance?.SerialLogPath}: the guest may be slow, or write something else.");
        }
        catch (RegexMatchTimeoutException)
        {
            Fail(MigrationErrorReason.InvalidArgument, $"Matching '{ConsoleLine}' took longer than {MatchLimit} for one line.",
                "Write an expression without nested repetitions.");
        }
        catch (IOException exception)
        {
            Fail(MigrationErrorReason.VmExited, $"The console of {vm.Title} cannot be read: {exception.Message}",
                "Refresh the VM with Get-MigrationVm: it may have been stopped or migrated.");
        }
        catch (UnauthorizedAccessException exception)
        {
            Fail(MigrationErrorReason.AccessDenied, $"The console of {vm.Title} cannot be read: {exception.Message}",
                "Ask as the account that the host's agent runs under, or as root.");
        }
        catch (MigrationException exception)
        {
            queue.Post(() => WriteError(MigrationError.ToRecord(exception, MigrationVm.From(vm.Vm))));
        }

        void Fail(MigrationErrorReason reason, string message, string action) => queue.Post(() =>
            WriteError(MigrationError.ToRecord(new MigrationException(reason, message, action), MigrationVm.From(vm.Vm))));
    }

    private async Task<string> FindLineAsync(LocatedVm vm, Regex pattern, CancellationToken cancellationToken)
    {
        if (vm.Vm.Instance?.SerialLogPath is not { } path)
        {
            throw new MigrationException(MigrationErrorReason.InvalidState, $"{vm.Title} ({vm.Vm.State}) has no serial console to read.",
                "Start it first; only QEMU VMs that this module starts write their console to a file.");
        }

        await HostFiles.RequireThisMachineAsync(vm.Host, "Wait-MigrationVm",
            "Read the console on that machine, or wait in a session there.", cancellationToken).ConfigureAwait(false);
        using var console = new SerialConsoleReader(path, NewOnly);
        while (true)
        {
            // The state is asked before the lines are read: what a guest wrote last is still seen after its end.
            VmDescription present = await vm.Host.GetVmAsync(vm.Id, cancellationToken).ConfigureAwait(false);
            foreach (string line in await console.ReadNewAsync(cancellationToken).ConfigureAwait(false))
            {
                if (pattern.IsMatch(line)) return line;
            }

            if (present.State is EngineVmState.Stopped or EngineVmState.Failed)
            {
                throw new MigrationException(MigrationErrorReason.VmExited, $"{vm.Title} ended before its console showed '{ConsoleLine}'.",
                    $"Read {path} for the reason.");
            }

            await Task.Delay(PollInterval, cancellationToken).ConfigureAwait(false);
        }
    }
}
