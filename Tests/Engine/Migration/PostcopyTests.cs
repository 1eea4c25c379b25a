using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

public class PostcopyTests
{
    private const long MiB = 1 << 20;

    private static readonly TimeSpan patience = TimeSpan.FromSeconds(20);

    private static readonly EmbeddedGuest guest = new()
    {
        Program = GuestProgramKind.HotSetWriter, WorkingSetBytes = 24 * MiB, StepsPerSecond = 2_000_000,
    };

    private static readonly MigrationOptions options = new()
    {
        Postcopy = PostcopyPolicy.AfterFirstPass, VerifyMemory = true, MaxBytesPerSecond = 20_000_000, Channels = 2,
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(GuestProgramKind.SequentialWriter)]
    [InlineData(GuestProgramKind.HotSetWriter)]
    [InlineData(GuestProgramKind.Checksum)]
    public async Task A_vm_that_left_its_memory_behind_gets_every_byte_of_it(GuestProgramKind program)
    {
        await using MigrationPair pair = await NewPairAsync(guest with { Program = program }, options);

        (MigrationStatus status, MigrationOutcome outcome) = await pair.RunAsync(Cancellation);

        Assert.True(status.State == MigrationState.Completed, status.ErrorMessage);
        Assert.Equal(MigrationOutcome.DestinationOwns, outcome);
        PostcopySummary postcopy = status.Result!.Postcopy!;
        Assert.True(postcopy.Pages > 0 && postcopy.Duration > TimeSpan.Zero && postcopy.Interruptions == 0, postcopy.ToString());
        Assert.True(postcopy.PagesTouched > 0, "a guest that writes all the time touched no missing page");
        Assert.True(status.Result.MemoryVerified);
        Assert.True(pair.DestinationPlace.PostcopyEnded);
        await AssertReplayAsync(pair, guest with { Program = program });
    }

    [Fact]
    public async Task The_source_keeps_its_copy_until_the_last_page_is_there()
    {
        await using MigrationPair pair = await NewPairAsync(guest, options with { MaxBytesPerSecond = 10_000_000 });
        Task<(MigrationStatus Status, MigrationOutcome)> running = pair.RunAsync(Cancellation);
        await pair.WaitForAsync(MigrationState.Postcopy, Cancellation);

        Assert.False(pair.Source.Exited.IsCompleted);
        Assert.Equal(VmState.Paused, await pair.Source.GetStateAsync(Cancellation));
        Assert.Equal(VmState.Running, await pair.Destination.GetStateAsync(Cancellation));
        Assert.Equal(MigrationJournalState.Granted, await StateAsync(pair, MigrationRole.Source));
        Assert.Equal(MigrationJournalState.Receiving, await StateAsync(pair, MigrationRole.Destination));

        Assert.Equal(MigrationState.Completed, (await running).Status.State);
        Assert.True(pair.Source.Exited.IsCompleted);
        Assert.Equal(MigrationJournalState.Completed, await StateAsync(pair, MigrationRole.Source));
        Assert.Equal(MigrationJournalState.Completed, await StateAsync(pair, MigrationRole.Destination));
    }

    [Fact]
    public async Task A_link_cut_at_ten_random_points_and_restored_ends_with_the_memory_verified()
    {
        var random = new Random(4);
        CuttingProxy? proxy = null;
        await using MigrationPair pair = await NewPairAsync(
            guest, options, endpoint => (proxy = new(endpoint, long.MaxValue)).Endpoint);
        await using CuttingProxy cutting = proxy!;
        Task<(MigrationStatus Status, MigrationOutcome)> running = pair.RunAsync(Cancellation);
        int cuts = 0;
        while (cuts < 10)
        {
            await pair.WaitForAsync(MigrationState.Postcopy, Cancellation);
            cutting.CutAfter(random.Next(1, 800_000));
            MigrationStatus paused = await pair.WaitForAsync(MigrationState.PostcopyPaused, Cancellation);
            cuts++;
            Assert.NotNull(paused.ErrorMessage);
            Assert.False(paused.HasEnded);
            Assert.False(pair.Source.Exited.IsCompleted);
            await pair.Outgoing.ResumeAsync(Cancellation);
        }

        (MigrationStatus status, _) = await running;

        Assert.True(status.State == MigrationState.Completed, status.ErrorMessage);
        Assert.Equal(10, status.Result!.Postcopy!.Interruptions);
        Assert.True(status.Result.MemoryVerified);
        Assert.Equal(MigrationErrorReason.Invalid, status.ErrorReason);
        await AssertReplayAsync(pair, guest);
    }

    [Fact]
    public async Task While_the_link_is_broken_the_vm_is_paused_and_says_what_it_waits_for()
    {
        CuttingProxy? proxy = null;
        await using MigrationPair pair = await NewPairAsync(
            guest, options, endpoint => (proxy = new(endpoint, long.MaxValue)).Endpoint);
        await using CuttingProxy cutting = proxy!;
        using var closing = new CancellationTokenSource();
        Task<(MigrationStatus Status, MigrationOutcome Outcome)> running = pair.RunAsync(Cancellation, closing.Token);
        await pair.WaitForAsync(MigrationState.Postcopy, Cancellation);
        cutting.CutAfter(100_000);
        await pair.WaitForAsync(MigrationState.PostcopyPaused, Cancellation);
        Native.Eventually.Holds(() => pair.DestinationPlace.Wait is not null);
        Native.Eventually.Holds(() => pair.Destination.GetStateAsync(Cancellation).GetAwaiter().GetResult() == VmState.Paused);
        Assert.Contains("pages of its memory", pair.DestinationPlace.Wait, StringComparison.Ordinal);

        // Both hosts close: neither gives up what only it has.
        await closing.CancelAsync();
        (MigrationStatus status, MigrationOutcome outcome) = await running;
        Assert.Equal(MigrationState.PostcopyPaused, status.State);
        Assert.Equal(MigrationOutcome.DestinationReceives, outcome);
        Assert.False(pair.Source.Exited.IsCompleted);
        Assert.False(pair.Destination.Exited.IsCompleted);
        Assert.Equal(MigrationJournalState.Granted, await StateAsync(pair, MigrationRole.Source));
        Assert.Equal(MigrationJournalState.Receiving, await StateAsync(pair, MigrationRole.Destination));
    }

    [Fact]
    public async Task A_vm_that_ends_at_the_destination_ends_the_migration_and_the_source_lets_go()
    {
        await using MigrationPair pair = await NewPairAsync(guest, options with { MaxBytesPerSecond = 5_000_000 });
        Task<(MigrationStatus Status, MigrationOutcome Outcome)> running = pair.RunAsync(Cancellation);
        await pair.WaitForAsync(MigrationState.Postcopy, Cancellation);

        await pair.Destination.DestroyAsync();

        (MigrationStatus status, MigrationOutcome outcome) = await running;
        Assert.Equal(MigrationState.Completed, status.State);
        Assert.Equal(MigrationErrorReason.VmExited, status.ErrorReason);
        Assert.Equal(MigrationOutcome.DestinationOwns, outcome);
        Assert.True(pair.Source.Exited.IsCompleted);
        Assert.True(pair.DestinationPlace.PostcopyEnded);
    }

    [Fact]
    public async Task A_page_that_changes_on_its_way_is_found_out_and_both_copies_stay_paused()
    {
        DecayingMemory? memory = null;
        await using MigrationPair pair = await MigrationPair.CreateAsync(
            guest, 32 * MiB, 1, options, null, Cancellation, sourceFault: vm => PropertyFault.WithMemory(vm, memory = new(vm.Memory)));
        Task<(MigrationStatus Status, MigrationOutcome)> running = pair.RunAsync(Cancellation);
        await pair.WaitForAsync(MigrationState.Postcopy, Cancellation);
        memory!.Spoil = true;
        (MigrationStatus status, _) = await running;

        Assert.Equal(MigrationState.Undecided, status.State);
        Assert.Equal(MigrationErrorReason.MemoryMismatch, status.ErrorReason);
        Assert.Equal(VmState.Paused, await pair.Source.GetStateAsync(Cancellation));
        Assert.Equal(VmState.Paused, await pair.Destination.GetStateAsync(Cancellation));
        Assert.NotNull(pair.DestinationPlace.Wait);
    }

    [Fact]
    public async Task A_guest_that_does_not_converge_moves_by_post_copy_where_that_is_allowed()
    {
        var fast = new EmbeddedGuest { Program = GuestProgramKind.SequentialWriter, WorkingSetBytes = 16 * MiB };
        MigrationOptions tight = options with
        {
            Postcopy = PostcopyPolicy.WhenNotConverging, MaxPasses = 2, MinVcpuShare = 1, DowntimeLimit = TimeSpan.FromMilliseconds(1),
        };
        await using MigrationPair pair = await NewPairAsync(fast, tight);

        (MigrationStatus status, _) = await pair.RunAsync(Cancellation);

        Assert.True(status.State == MigrationState.Completed, status.ErrorMessage);
        Assert.NotNull(status.Result!.Postcopy);
        Assert.True(status.Result.MemoryVerified);
        await AssertReplayAsync(pair, fast);
    }

    [Theory]
    [InlineData(PostcopyPolicy.AfterFirstPass, MigrationErrorReason.PrerequisiteMissing)]
    [InlineData(PostcopyPolicy.WhenNotConverging, MigrationErrorReason.NotConverging)]
    public async Task Where_the_destination_cannot_let_pages_be_missing_the_vm_stays_at_the_source_whole(
        PostcopyPolicy policy, MigrationErrorReason reason)
    {
        var fast = new EmbeddedGuest { Program = GuestProgramKind.SequentialWriter, WorkingSetBytes = 16 * MiB };
        MigrationOptions tight = options with
        {
            Postcopy = policy, MaxPasses = 2, MinVcpuShare = 1, DowntimeLimit = TimeSpan.FromMilliseconds(1),
        };
        await using MigrationPair pair = await MigrationPair.CreateAsync(
            fast, 32 * MiB, 1, tight, null, Cancellation,
            vm => PropertyFault.WithCapabilities(vm, vm.Capabilities with { PostcopyRefused = "the test says no." }));

        (MigrationStatus status, MigrationOutcome outcome) = await pair.RunAsync(Cancellation);

        Assert.Equal(MigrationState.RolledBack, status.State);
        Assert.Equal(reason, status.ErrorReason);
        Assert.Equal(MigrationOutcome.SourceOwns, outcome);
        Assert.Equal(VmState.Running, await pair.Source.GetStateAsync(Cancellation));
    }

    [Fact]
    public async Task A_way_out_that_was_missing_and_not_needed_is_named_in_the_result()
    {
        await using MigrationPair pair = await MigrationPair.CreateAsync(
            guest with { Program = GuestProgramKind.Idle }, 32 * MiB, 1,
            options with { Postcopy = PostcopyPolicy.WhenNotConverging }, null, Cancellation,
            vm => PropertyFault.WithCapabilities(vm, vm.Capabilities with { PostcopyRefused = "the test says no." }));

        (MigrationStatus status, _) = await pair.RunAsync(Cancellation);

        Assert.True(status.State == MigrationState.Completed, status.ErrorMessage);
        Assert.Contains(status.Result!.Fallbacks, line => line.Contains("the test says no.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_load_that_waits_for_a_page_ends_with_its_source()
    {
        LoadFault? load = null;
        await using MigrationPair pair = await MigrationPair.CreateAsync(
            guest, 32 * MiB, 1, options, null, Cancellation, vm => LoadFault.Wrap(vm, out load));
        using var cancel = new CancellationTokenSource();
        await pair.Incoming.BeginAsync(Cancellation);
        await pair.Outgoing.BeginAsync(Cancellation);
        Task<MigrationOutcome> arriving = pair.Incoming.RunAsync(Cancellation);
        Task<MigrationStatus> leaving = pair.Outgoing.RunAsync(cancel.Token);
        await load!.Reached.WaitAsync(patience, Cancellation);

        await cancel.CancelAsync();

        Assert.Equal(MigrationState.RolledBack, (await leaving.WaitAsync(patience, Cancellation)).State);
        Assert.Equal(MigrationOutcome.SourceOwns, await arriving.WaitAsync(patience, Cancellation));
        Assert.Equal(VmState.Running, await pair.Source.GetStateAsync(Cancellation));
    }

    [Fact]
    public async Task A_vm_whose_last_pages_come_before_the_word_to_go_on_runs_on()
    {
        CuttingProxy? proxy = null;
        await using MigrationPair pair = await NewPairAsync(
            guest, options, endpoint => (proxy = new(endpoint, long.MaxValue)).Endpoint);
        await using CuttingProxy cutting = proxy!;
        using var closing = new CancellationTokenSource();
        Task<(MigrationStatus, MigrationOutcome Outcome)> running = pair.RunAsync(Cancellation, closing.Token);
        await pair.WaitForAsync(MigrationState.Postcopy, Cancellation);
        cutting.CutAfter(100_000);
        await pair.WaitForAsync(MigrationState.PostcopyPaused, Cancellation);
        Native.Eventually.Holds(() => pair.Destination.GetStateAsync(Cancellation).GetAwaiter().GetResult() == VmState.Paused);

        // The source's end by hand: every page, and only then the word.
        await using ControlConnection control =
            await new MigrationDialer(pair.Offer).ConnectControlAsync(ConnectionRole.Recovery, Cancellation);
        await control.SendAsync(
            FrameType.Start, new(1, 32 * MiB, true), ControlMessages.Default.StartMessage, Cancellation);
        PageSet missing = await ReceiveMissingAsync(control, pair.Source.Memory.PageCount);
        using DataConnection data = new MigrationDialer(pair.Offer).ConnectData(0, Cancellation);
        using DataConnection urgent = new MigrationDialer(pair.Offer).ConnectData(1, Cancellation);
        using var unlimited = new BandwidthLimit(0, 0);
        var sender = new PageSender(pair.Source.Memory, data, 0, 1, unlimited, new(), sent: null);
        await Task.Run(
            () =>
            {
                sender.SendPass(missing, Cancellation);
                sender.Flush();
            },
            Cancellation);
        await control.SendAsync(FrameType.Continue, default, Cancellation);
        ControlFrame frame;
        do frame = await control.ReceiveAsync(Cancellation).WaitAsync(patience, Cancellation);
        while (frame.Type == FrameType.Alive);
        frame.Expect(FrameType.Placed);
        Assert.Equal(MigrationJournalState.Completed, await StateAsync(pair, MigrationRole.Destination));
        await control.SendAsync(FrameType.Release, default, Cancellation);

        Native.Eventually.Holds(() => pair.DestinationPlace.PostcopyEnded);
        Assert.Equal(VmState.Running, await pair.Destination.GetStateAsync(Cancellation));
        Assert.Null(pair.DestinationPlace.Wait);
        await closing.CancelAsync();
        Assert.Equal(MigrationOutcome.DestinationOwns, (await running).Outcome);
        await AssertReplayAsync(pair, guest);
    }

    [Fact]
    public async Task A_link_that_breaks_while_the_vm_resumes_is_taken_up_again_without_being_asked()
    {
        CuttingProxy? proxy = null;
        HeldResume? held = null;
        await using MigrationPair pair = await MigrationPair.CreateAsync(
            guest, 32 * MiB, 1, options, endpoint => (proxy = new(endpoint, long.MaxValue)).Endpoint, Cancellation,
            vm => HeldResume.Wrap(vm, out held));
        await using CuttingProxy cutting = proxy!;
        Task<(MigrationStatus Status, MigrationOutcome Outcome)> running = pair.RunAsync(Cancellation);
        await held!.Begun.WaitAsync(patience, Cancellation);
        cutting.Cut();

        await pair.WaitForAsync(MigrationState.Postcopy, Cancellation).WaitAsync(patience, Cancellation);
        held.Release();

        (MigrationStatus status, MigrationOutcome outcome) = await running;
        Assert.True(status.State == MigrationState.Completed, status.ErrorMessage);
        Assert.Equal(MigrationOutcome.DestinationOwns, outcome);
        Assert.Equal(0, status.Result!.Postcopy!.Interruptions);
        Assert.Equal(VmState.Running, await pair.Destination.GetStateAsync(Cancellation));
        await AssertReplayAsync(pair, guest);
    }

    private static async Task<PageSet> ReceiveMissingAsync(ControlConnection control, long pageCount)
    {
        var missing = new PageSet(pageCount);
        while (true)
        {
            ControlFrame frame = await control.ReceiveAsync(Cancellation).WaitAsync(patience, Cancellation);
            if (frame.Type != FrameType.Missing)
            {
                frame.Expect(FrameType.Postcopy);
                return missing;
            }

            MissingFrame.Decode(frame.Payload, missing);
        }
    }

    private static Task<MigrationPair> NewPairAsync(
        EmbeddedGuest program, MigrationOptions how, Func<System.Net.IPEndPoint, System.Net.IPEndPoint>? route = null) =>
        MigrationPair.CreateAsync(program, 32 * MiB, 2, how, route, Cancellation);

    private static async Task<MigrationJournalState> StateAsync(MigrationPair pair, MigrationRole role) =>
        (await pair.Journal.FindAsync(pair.Incoming.MigrationId, role, Cancellation))!.State;

    private static async Task AssertReplayAsync(MigrationPair pair, EmbeddedGuest program)
    {
        var owner = (EmbeddedVirtualMachine)pair.Destination;
        await owner.PauseAsync(Cancellation);
        IReadOnlyList<VcpuRegisters> registers = await owner.ReadRegistersAsync(Cancellation);
        Assert.Null(ReplayOracle.FindDifference(program, registers, owner.Memory, Cancellation));
    }
}
