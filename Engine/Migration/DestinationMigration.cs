using System.Security.Cryptography;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// The destination's side of one migration: it owns the incoming VM until the journal says that this host owns it for good, and destroys
/// it where that never happens.
/// </summary>
internal sealed class DestinationMigration : IIncomingMigration
{
    /// <summary>How long an offer waits for its source.</summary>
    public static readonly TimeSpan OfferLimit = TimeSpan.FromSeconds(60);

    private const int MaxChannels = 16;

    private static readonly TimeSpan farewellLimit = TimeSpan.FromSeconds(2);

    private readonly IVirtualMachine vm;
    private readonly IncomingRequest request;
    private readonly ILogger log;
    private readonly byte[] ticket;
    private readonly Task disksComplete;
    private readonly TaskCompletionSource<ControlConnection> connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IncomingPages pages;
    private readonly DestinationCommit commit;
    private readonly EndingSteps steps;
    private int controlClaimed;
    private volatile DestinationPostcopy? postcopy;

    /// <param name="place">The incoming VM.</param>
    /// <param name="request">What was agreed on.</param>
    /// <param name="journal">Written before every step that a restart must know of.</param>
    /// <param name="log">Takes what happens.</param>
    /// <param name="ticket">What its connections present; null makes a new one.</param>
    /// <param name="disksComplete">Ends once the VM's disks are whole here; null where they do not move.</param>
    public DestinationMigration(
        IIncomingVm place, IncomingRequest request, IMigrationJournal journal, ILogger log, byte[]? ticket = null, Task? disksComplete = null)
    {
        this.ticket = ticket ?? RandomNumberGenerator.GetBytes(Hello.TicketBytes);
        this.disksComplete = disksComplete ?? Task.CompletedTask;
        vm = place.Machine;
        this.request = request;
        this.log = log.ForContext(nameof(MigrationId), request.MigrationId).ForContext("VmName", request.Specification.Name);
        pages = new(vm.Memory);
        commit = new(place, request, journal, this.log);
        steps = new(this.log);
    }

    public Guid MigrationId => request.MigrationId;

    Guid IIncomingOperation.OperationId => MigrationId;

    public ReadOnlyMemory<byte> Ticket => ticket;

    public MigrationOutcome Outcome => commit.Outcome;

    /// <summary>
    /// Whether, after a run over a mobility path, the source may still come back over it to ask how the migration ended: it has not hung up,
    /// so its connection broke.
    /// </summary>
    public bool MayBeAsked { get; private set; }

    public bool TryClaim(ConnectionRole role, int channel) => role switch
    {
        ConnectionRole.Control => Outcome == MigrationOutcome.Pending && Interlocked.Exchange(ref controlClaimed, 1) == 0,
        ConnectionRole.Data => PagesOfLink?.TryClaim(channel) ?? false,
        ConnectionRole.Recovery => commit.HasTakenOver && postcopy is not null,
        _ => false,
    };

    public bool Serve(LinkTransport transport, ConnectionRole role, int channel)
    {
        switch (role)
        {
            case ConnectionRole.Control:
                return connected.TrySetResult(new ControlConnection(transport));
            case ConnectionRole.Recovery when postcopy is { } present:
                present.Recovery.Attach(new ControlConnection(transport));
                return true;
            case ConnectionRole.Data:
                (PagesOfLink ?? pages).Receive(new DataConnection(transport));
                return false;
            default:
                return false;
        }
    }

    // After the commit only a link that is taken up again makes connections.
    private IncomingPages? PagesOfLink => Outcome == MigrationOutcome.Pending ? pages : postcopy?.Recovery.Pages;

    /// <summary>Records in the journal that it begins; comes before <see cref="RunAsync"/>.</summary>
    public Task BeginAsync(CancellationToken cancellationToken) => commit.RecordAsync(MigrationJournalState.Started, cancellationToken);

    /// <summary>
    /// Runs to the end, whichever way, settles the VM's place and throws nothing. <see cref="MigrationOutcome.DestinationOwns"/>: the VM is this
    /// host's, running or paused as it was at the source. <see cref="MigrationOutcome.SourceOwns"/>: the incoming VM has been destroyed.
    /// </summary>
    /// <param name="withdraw">Gives the VM up, where the source has not granted it yet.</param>
    /// <param name="closing">
    /// The host closes. Where the link of a post-copy is broken then, everything is left as it is:
    /// <see cref="MigrationOutcome.DestinationReceives"/>.
    /// </param>
    public async Task<MigrationOutcome> RunAsync(CancellationToken withdraw, CancellationToken closing = default)
    {
        ControlConnection? control = null;
        try
        {
            control = await connected.Task.WaitAsync(OfferLimit, withdraw).ConfigureAwait(false);
            bool runs = await ReceiveAsync(control, withdraw).ConfigureAwait(false);
            if (postcopy is { } following)
            {
                control = await following.RunAsync(control, pages, runs, closing).ConfigureAwait(false);
                await following.DisposeAsync().ConfigureAwait(false);
                if (Outcome == MigrationOutcome.DestinationOwns)
                {
                    await steps.TryAsync("settle its memory", SettleMemoryAsync).ConfigureAwait(false);
                }
            }
        }
        catch (Exception error) when (commit.HasTakenOver)
        {
            log.Error(error, "The VM is here, but the migration did not end in order");
            if (postcopy is { } broken)
            {
                await steps.TryAsync("end the post-copy", () => broken.DisposeAsync().AsTask()).ConfigureAwait(false);
            }

            await pages.CloseAsync().ConfigureAwait(false);
            if (error is MigrationException { Reason: MigrationErrorReason.Undecided } unsure)
            {
                await commit.TellAsync(control!, unsure, farewellLimit).ConfigureAwait(false);
            }
        }
        catch (Exception error)
        {
            await GiveUpAsync(control, error, withdraw.IsCancellationRequested).ConfigureAwait(false);
        }

        if (control is not null && Outcome is MigrationOutcome.DestinationOwns or MigrationOutcome.DestinationReceives)
        {
            await steps.TryAsync("report", () => commit.ReportAsync(control)).ConfigureAwait(false);
        }

        MayBeAsked = request.PathId is not null && control is not null && Outcome != MigrationOutcome.SourceOwns
            && !await control.WaitForCloseAsync(farewellLimit).ConfigureAwait(false);

        // A connection that was claimed but came after the offer had ended is closed by whichever side is later.
        if (!connected.TrySetCanceled(CancellationToken.None))
        {
            ControlConnection first = await connected.Task.ConfigureAwait(false);
            await first.DisposeAsync().ConfigureAwait(false);
        }

        if (control is not null) await control.DisposeAsync().ConfigureAwait(false);
        return Outcome;
    }

    /// <summary>Missing pages came one by one: some may be poisoned, and large pages were taken apart.</summary>
    private async Task SettleMemoryAsync()
    {
        if (vm.Exited.IsCompleted) return;
        if (!vm.Memory.Poisoned.IsEmpty) await vm.FindPoisonedPagesAsync(CancellationToken.None).ConfigureAwait(false);
        if (request.Options.PreserveLargePages) await vm.RestoreLargePagesAsync(CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Receives the VM up to and including the commit.</summary>
    /// <returns>Whether its vCPUs run now.</returns>
    private async Task<bool> ReceiveAsync(ControlConnection control, CancellationToken withdraw)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(withdraw);
        Task watching = StopWhenGoneAsync(stop);
        try
        {
            ControlFrame start = await control.ReceiveAsync(stop.Token).ConfigureAwait(false);
            using PageTablePopulator? populator = await StartAsync(control, start, stop.Token).ConfigureAwait(false);
            await using var state = new IncomingState(vm, stop.Token);
            var conversation = new DestinationConversation(
                vm, request, control, pages, disksComplete, (missing, token) => StartPostcopyAsync(control, missing, token));
            GrantMessage grant = await conversation.RunAsync(state, populator, stop.Token).ConfigureAwait(false);
            await commit.TakeOverAsync(control, grant, populator, postcopy is not null).ConfigureAwait(false);

            // Only now, when it costs the guest no time: the connections were idle since the load.
            if (postcopy is null) await pages.CloseAsync().ConfigureAwait(false);
            return grant.Resume;
        }
        catch (OperationCanceledException) when (pages.Failure.IsCompleted)
        {
            MigrationException failure = await pages.Failure.ConfigureAwait(false);
            throw new MigrationException(failure.Reason, failure.Message, failure.RecommendedAction, failure);
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await watching.ConfigureAwait(false);
        }
    }

    /// <summary>Reads and checks what a source begins with.</summary>
    internal static StartMessage ReadStart(ControlFrame frame, long memoryBytes)
    {
        StartMessage start = frame.Expect(FrameType.Start).Read(ControlMessages.Default.StartMessage);
        return start.MemoryBytes == memoryBytes && start.Channels is >= 0 and <= MaxChannels ? start : throw new MigrationException(
            MigrationErrorReason.ProtocolViolation,
            $"The source wants to send {start.MemoryBytes} bytes of RAM over {start.Channels} channels; this VM has {memoryBytes}.");
    }

    private async Task<PageTablePopulator?> StartAsync(ControlConnection control, ControlFrame frame, CancellationToken cancellationToken)
    {
        StartMessage start = ReadStart(frame, vm.Memory.SizeBytes);
        if (request.PoisonedPageCount > 0 && vm.Capabilities.PoisonRefused is { } poisonRefused)
        {
            throw new MigrationException(
                MigrationErrorReason.PrerequisiteMissing,
                $"The poisoned pages of '{request.Specification.Name}' cannot be re-created here: {poisonRefused}",
                PoisonRefusals.Action);
        }

        PageTablePopulator? populator = request.Options.PopulatePageTables && request.Contents == StateContents.Devices
            ? await vm.StartPopulationAsync(cancellationToken).ConfigureAwait(false) : null;
        string? refused = !start.Postcopy ? null : vm.Capabilities.PostcopyRefused;
        pages.Open(start.Postcopy && refused is null ? start.Channels + 1 : start.Channels, populator);
        await control.SendAsync(
            FrameType.Started, new(refused), ControlMessages.Default.StartedMessage, cancellationToken).ConfigureAwait(false);
        return populator;
    }

    /// <summary>Takes the missing pages away; the source serves them once it has heard of that.</summary>
    private async Task StartPostcopyAsync(ControlConnection control, PageSet missing, CancellationToken cancellationToken)
    {
        // Before the missing pages get a fault handler of their own, which no second one may join.
        await CarriedPoison.MarkAsync(vm, cancellationToken).ConfigureAwait(false);
        DestinationPostcopy started = await DestinationPostcopy.StartAsync(
            vm, missing, request.Options.VerifyMemory, control, commit, log, cancellationToken).ConfigureAwait(false);
        postcopy = started;
        pages.PlaceWith(started.Placement);
    }

    private async Task GiveUpAsync(ControlConnection? control, Exception error, bool withdrawn)
    {
        MigrationException reason = await ExplainAsync(error, withdrawn).ConfigureAwait(false);
        log.Warning(error, "Gave the incoming VM up: {Reason}: {Message}", reason.Reason, reason.Message);
        await pages.CloseAsync().ConfigureAwait(false);
        if (postcopy is not null) await postcopy.DisposeAsync().ConfigureAwait(false);

        // Only after that: the source resumes its copy on this word.
        bool mayTell = await commit.GiveUpAsync().ConfigureAwait(false);
        if (mayTell && control is not null) await commit.TellAsync(control, reason, farewellLimit).ConfigureAwait(false);
    }

    private async Task<MigrationException> ExplainAsync(Exception error, bool withdrawn) => error switch
    {
        MigrationException known => known,
        TimeoutException => new(MigrationErrorReason.TimedOut, $"No source connected within {OfferLimit.TotalSeconds} s.", null, error),
        OperationCanceledException when withdrawn =>
            new(MigrationErrorReason.Cancelled, "The destination withdrew its offer.", null, error),
        OperationCanceledException when vm.Exited.IsCompleted => new(
            MigrationErrorReason.DestinationFailed, $"The incoming VM ended: {await vm.Exited.ConfigureAwait(false)}",
            "Look into the destination host's log.", error),
        _ => new(MigrationErrorReason.DestinationFailed, $"The destination failed: {error.Message}", null, error),
    };

    private async Task StopWhenGoneAsync(CancellationTokenSource stop)
    {
        await Task.WhenAny(vm.Exited, pages.Failure, Task.Delay(Timeout.InfiniteTimeSpan, stop.Token)).ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
    }
}
