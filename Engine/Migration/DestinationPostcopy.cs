using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// A post-copy, seen from its destination: pages that arrive are placed, and those the guest touches are asked for. While the link is
/// broken the VM is paused, what is missing is remembered, and a source with the same ticket may take it up again, any number of times.
/// </summary>
internal sealed class DestinationPostcopy : IAsyncDisposable
{
    // For a source whose link broke over the last page: it comes back for the word that it may go.
    private static readonly TimeSpan lastWordLimit = TimeSpan.FromSeconds(60);

    private readonly IVirtualMachine vm;
    private readonly MissingPages missing;
    private readonly PagePlacement placement;
    private readonly PageRequests requests;
    private readonly DestinationRecovery recovery;
    private readonly DestinationCommit commit;
    private readonly RunStateChain runState;
    private readonly ILogger log;
    private bool settled;
    private bool disposed;

    private DestinationPostcopy(
        IVirtualMachine vm, MissingPages missing, PageSet expected, bool verify, ControlConnection control, DestinationCommit commit,
        ILogger log)
    {
        this.vm = vm;
        this.missing = missing;
        this.commit = commit;
        this.log = log;
        placement = new(missing, expected, verify);
        requests = new(missing, vm.Memory.PageCount, control, log);
        recovery = new(vm.Memory, missing, placement, log);
        runState = new(log);
    }

    /// <summary>Puts pages into their places.</summary>
    public PagePlacement Placement => placement;

    /// <summary>Where sources come that take a broken link up again.</summary>
    public DestinationRecovery Recovery => recovery;

    /// <summary>Takes the missing pages away from an incoming VM, and asks from now on for those that are touched.</summary>
    public static async Task<DestinationPostcopy> StartAsync(
        IVirtualMachine vm, PageSet expected, bool verify, ControlConnection control, DestinationCommit commit, ILogger log,
        CancellationToken cancellationToken)
    {
        MissingPages missing = await vm.StartPostcopyAsync(expected, cancellationToken).ConfigureAwait(false);
        return new(vm, missing, expected, verify, control, commit, log);
    }

    /// <summary>Follows the post-copy to its end, after the VM was taken over.</summary>
    /// <param name="first">The connection the VM was granted on; disposed by this where it breaks.</param>
    /// <param name="firstPages">Its data connections.</param>
    /// <param name="runs">Whether the VM runs.</param>
    /// <param name="closing">The host closes: heeded while the link is broken, since everything else ends by itself.</param>
    /// <returns>The connection whose source takes a report; null where there is none.</returns>
    public async Task<ControlConnection?> RunAsync(
        ControlConnection first, IncomingPages firstPages, bool runs, CancellationToken closing)
    {
        ControlConnection? control = first;
        IncomingPages pages = firstPages;
        bool waits = false;
        while (true)
        {
            recovery.Use(control);
            var session = new DestinationSession(vm, missing, placement, requests, control, pages, commit);
            DestinationSessionEnd end = await session.RunAsync().ConfigureAwait(false);
            requests.Disconnect();
            await pages.CloseAsync().ConfigureAwait(false);
            if (end.Kind != DestinationSessionEndKind.Broken)
            {
                await EndAsync(end).ConfigureAwait(false);
                if (end.Kind == DestinationSessionEndKind.Released) return control;
                await control.DisposeAsync().ConfigureAwait(false);
                return null;
            }

            await control.DisposeAsync().ConfigureAwait(false);
            control = null;
            log.Warning(end.Error, "The link of the post-copy broke with {Pages} pages missing", missing.RemainingCount);
            if (missing.RemainingCount == 0) await EndAsync(end).ConfigureAwait(false);
            else
            {
                waits = true;
                await PauseAsync(end.Error!, runs).ConfigureAwait(false);
            }

            if (await recovery.WaitAsync(vm, missing.RemainingCount == 0 ? lastWordLimit : Timeout.InfiniteTimeSpan, closing)
                .ConfigureAwait(false) is not { } next)
            {
                if (missing.RemainingCount > 0 && vm.Exited.IsCompleted) await EndAsync(end).ConfigureAwait(false);
                return null;
            }

            (control, pages) = next;
            if (!waits) continue;

            // Also where the last page came before this was reached: the data connections do not wait for it.
            waits = false;
            await GoOnAsync(control, runs).ConfigureAwait(false);
        }
    }

    /// <summary>Asks for no more pages; where some are missing, whoever touches one waits for ever. Safe to call twice.</summary>
    public ValueTask DisposeAsync()
    {
        if (disposed) return ValueTask.CompletedTask;
        disposed = true;
        recovery.Close();
        requests.Dispose();
        missing.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task PauseAsync(MigrationException error, bool runs)
    {
        if (runs) runState.Append("paused", () => vm.PauseAsync(CancellationToken.None));
        await commit.ReportWaitAsync(
            $"It waits for {missing.RemainingCount} pages of its memory that are still at its source,"
            + $" to which the link broke: {error.Message}")
            .ConfigureAwait(false);
    }

    /// <summary>Pages come first: a pause that hangs on one ends with it.</summary>
    private async Task GoOnAsync(ControlConnection control, bool runs)
    {
        try
        {
            using var limit = new CancellationTokenSource(LinkHeartbeat.SilenceLimit);
            await requests.ConnectAsync(control, limit.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (error is MigrationException or OperationCanceledException)
        {
            // The session that comes now finds the connection broken.
            log.Warning(error, "What the guest waits for could not be asked for again");
        }

        if (runs) runState.Append("resumed", () => vm.ResumeAsync(CancellationToken.None));
        await commit.ReportWaitAsync(null).ConfigureAwait(false);
    }

    /// <summary>Gives the VM to the host, once; what the source says after that of its memory is heeded all the same.</summary>
    private async Task EndAsync(DestinationSessionEnd end)
    {
        string? failure = null;
        if (end.Kind == DestinationSessionEndKind.Mismatch)
        {
            failure = end.Error!.Message;
            log.Error(end.Error, "The VM's memory is not what it was at the source");
            runState.Append("paused", () => vm.PauseAsync(CancellationToken.None));
        }

        // With all pages there no change of state hangs; with the VM gone each fails.
        await runState.Done.ConfigureAwait(false);
        if (settled)
        {
            if (failure is not null) await commit.ReportWaitAsync(failure).ConfigureAwait(false);
            return;
        }

        settled = true;
        await commit.EndPostcopyAsync(failure).ConfigureAwait(false);
    }
}
