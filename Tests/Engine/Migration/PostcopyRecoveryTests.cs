using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>What becomes of a post-copy whose link broke, where nobody resumes it or it cannot be resumed.</summary>
public class PostcopyRecoveryTests
{
    private const long MiB = 1 << 20;

    private static readonly TimeSpan patience = TimeSpan.FromSeconds(20);

    private static readonly EmbeddedGuest guest = new()
    {
        Program = GuestProgramKind.HotSetWriter, WorkingSetBytes = 24 * MiB, StepsPerSecond = 2_000_000,
    };

    private static readonly MigrationOptions options = new()
    {
        Postcopy = PostcopyPolicy.AfterFirstPass, MaxBytesPerSecond = 20_000_000, Channels = 1,
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_vm_that_ends_while_the_link_is_broken_ends_the_migration_without_being_asked()
    {
        (MigrationPair opened, CuttingProxy proxy) = await OpenAsync();
        await using MigrationPair pair = opened;
        await using CuttingProxy cutting = proxy;
        Task<(MigrationStatus Status, MigrationOutcome Outcome)> running = pair.RunAsync(Cancellation);
        await PauseAsync(pair, cutting);

        await pair.Destination.DestroyAsync();

        (MigrationStatus status, MigrationOutcome outcome) = await running.WaitAsync(patience, Cancellation);
        Assert.Equal(MigrationState.Completed, status.State);
        Assert.Equal(MigrationOutcome.DestinationOwns, outcome);
        Assert.Contains(status.Result!.Fallbacks, said => said.Contains("or the VM ended there", StringComparison.Ordinal));
        Assert.Equal(1, status.Result.Postcopy!.Interruptions);
        Assert.True(pair.Source.Exited.IsCompleted, "A copy that nobody needs was kept.");
    }

    [Fact]
    public async Task A_source_hears_that_the_vm_ended_before_the_destination_hangs_up()
    {
        (MigrationPair opened, CuttingProxy proxy) = await OpenAsync();
        await using MigrationPair pair = opened;
        await using CuttingProxy cutting = proxy;
        using var closing = new CancellationTokenSource();
        Task<(MigrationStatus, MigrationOutcome Outcome)> running = pair.RunAsync(Cancellation, closing.Token);
        await PauseAsync(pair, cutting);

        // A source by hand, which is slow to read: what it sends meanwhile must not find the connection closed.
        await using ControlConnection control =
            await new MigrationDialer(pair.Offer).ConnectControlAsync(ConnectionRole.Recovery, Cancellation);
        await control.SendAsync(FrameType.Start, new(1, pair.Source.Memory.SizeBytes, true), ControlMessages.Default.StartMessage, Cancellation);
        while ((await ReceiveAsync(control)).Type != FrameType.Postcopy)
        {
            // Names missing pages.
        }

        using DataConnection data = new MigrationDialer(pair.Offer).ConnectData(0, Cancellation);
        using DataConnection urgent = new MigrationDialer(pair.Offer).ConnectData(1, Cancellation);
        await control.SendAsync(FrameType.Continue, default, Cancellation);
        Native.Eventually.Holds(() => pair.DestinationPlace.Wait is null);
        await pair.Destination.DestroyAsync();
        ControlFrame frame;
        do frame = await ReceiveAsync(control);
        while (frame.Type != FrameType.Abort);
        Assert.Equal(MigrationErrorReason.VmExited, frame.Read(ControlMessages.Default.FailureMessage).Reason);

        Task<ControlFrame> next = control.ReceiveAsync(Cancellation);
        await Task.WhenAny(next, Task.Delay(TimeSpan.FromMilliseconds(300), Cancellation));
        Assert.False(next.IsCompleted, "The destination hung up at once: a reset may overtake its last word.");

        await control.DisposeAsync();
        await Assert.ThrowsAsync<MigrationException>(() => next);
        Native.Eventually.Holds(() => pair.Incoming.Outcome == MigrationOutcome.DestinationOwns);
        await closing.CancelAsync();
        Assert.Equal(MigrationOutcome.DestinationOwns, (await running).Outcome);
    }

    [Fact]
    public async Task A_destination_whose_engine_is_another_one_ends_the_migration_with_both_copies_kept_when_it_is_resumed()
    {
        (MigrationPair opened, CuttingProxy proxy) = await OpenAsync();
        await using MigrationPair pair = opened;
        await using CuttingProxy cutting = proxy;
        using var closing = new CancellationTokenSource();
        await pair.Incoming.BeginAsync(Cancellation);
        await pair.Outgoing.BeginAsync(Cancellation);
        Task<MigrationOutcome> arriving = pair.Incoming.RunAsync(Cancellation, closing.Token);
        Task<MigrationStatus> leaving = pair.Outgoing.RunAsync(Cancellation, Cancellation);
        await PauseAsync(pair, cutting);
        await closing.CancelAsync();
        Assert.Equal(MigrationOutcome.DestinationReceives, await arriving.WaitAsync(patience, Cancellation));
        pair.CloseEntrance(MigrationOutcome.DestinationReceives);

        MigrationException refusal = await Assert.ThrowsAsync<MigrationException>(() => pair.Outgoing.ResumeAsync(Cancellation));

        Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
        MigrationStatus status = await leaving.WaitAsync(patience, Cancellation);
        Assert.Equal(MigrationState.Undecided, status.State);
        Assert.Equal(refusal.Message, status.ErrorMessage);
        Assert.Contains("stop the copy here", status.RecommendedAction, StringComparison.Ordinal);
        Assert.False(pair.Source.Exited.IsCompleted, "The only copy of the missing pages is gone.");
        Assert.Equal(VmState.Paused, await pair.Source.GetStateAsync(Cancellation));
        Assert.False(pair.Destination.Exited.IsCompleted);
    }

    private static async Task<(MigrationPair Pair, CuttingProxy Proxy)> OpenAsync()
    {
        CuttingProxy? proxy = null;
        MigrationPair pair = await MigrationPair.CreateAsync(
            guest, 32 * MiB, 1, options, endpoint => (proxy = new(endpoint, long.MaxValue)).Endpoint, Cancellation);
        return (pair, proxy!);
    }

    private static async Task PauseAsync(MigrationPair pair, CuttingProxy cutting)
    {
        await pair.WaitForAsync(MigrationState.Postcopy, Cancellation).WaitAsync(patience, Cancellation);
        cutting.CutAfter(100_000);
        await pair.WaitForAsync(MigrationState.PostcopyPaused, Cancellation).WaitAsync(patience, Cancellation);
        Native.Eventually.Holds(() => pair.DestinationPlace.Wait is not null);
    }

    private static Task<ControlFrame> ReceiveAsync(ControlConnection control) =>
        control.ReceiveAsync(Cancellation).WaitAsync(patience, Cancellation);
}
