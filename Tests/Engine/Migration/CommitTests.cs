using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

public class CommitTests
{
    private static readonly EmbeddedGuest guest = new() { Program = GuestProgramKind.Checksum, StepsPerSecond = 100_000 };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_destination_that_cannot_resume_the_vm_gives_it_back_and_the_source_runs_on()
    {
        await using MigrationPair pair = await NewPairAsync(MigrationErrorReason.HypervisorFailed);

        (MigrationStatus status, MigrationOutcome outcome) = await pair.RunAsync(Cancellation);

        Assert.Equal(MigrationState.RolledBack, status.State);
        Assert.Equal(MigrationErrorReason.HypervisorFailed, status.ErrorReason);
        Assert.Equal(MigrationOutcome.SourceOwns, outcome);
        Assert.True(pair.Destination.Exited.IsCompleted);
        Assert.Equal(VmState.Running, await pair.Source.GetStateAsync(Cancellation));
    }

    [Fact]
    public async Task A_vm_that_dies_at_the_moment_of_its_resume_may_have_run_so_the_source_keeps_its_copy_paused()
    {
        await using MigrationPair pair = await NewPairAsync(MigrationErrorReason.VmExited);

        (MigrationStatus status, MigrationOutcome outcome) = await pair.RunAsync(Cancellation);

        Assert.Equal(MigrationState.Undecided, status.State);
        Assert.Contains("may have run", status.ErrorMessage, StringComparison.Ordinal);
        Assert.NotNull(status.RecommendedAction);
        Assert.Equal(MigrationOutcome.Undecided, outcome);
        Assert.Equal(VmState.Paused, await pair.Source.GetStateAsync(Cancellation));
    }

    [Fact]
    public async Task A_destination_that_cannot_take_its_owners_record_back_keeps_its_copy_and_says_nothing()
    {
        await using MigrationPair pair = await NewPairAsync(MigrationErrorReason.HypervisorFailed);
        pair.Journal.Refuses = entry => entry is { Role: MigrationRole.Destination, State: MigrationJournalState.RolledBack };
        await pair.Incoming.BeginAsync(Cancellation);
        await pair.Outgoing.BeginAsync(Cancellation);
        Task<MigrationStatus> leaving = pair.Outgoing.RunAsync(Cancellation);

        MigrationOutcome outcome = await pair.Incoming.RunAsync(Cancellation);

        // Opened again on this journal, the host runs its copy and answers that it owns the VM: so the copy has to be there.
        Assert.Equal(MigrationOutcome.Pending, outcome);
        Assert.False(pair.Destination.Exited.IsCompleted, "The journal says that this host owns a VM that it has destroyed.");
        MigrationJournalEntry? last = await pair.Journal.FindAsync(pair.Incoming.MigrationId, MigrationRole.Destination, Cancellation);
        Assert.Equal(MigrationJournalState.Owner, last!.State);
        Assert.False(leaving.IsCompleted, "The source decided without the destination's word.");
        Assert.Equal(VmState.Paused, await pair.Source.GetStateAsync(Cancellation));

        // It asks for as long as the destination may still decide.
        pair.CloseEntrance(null);
        Assert.Equal(MigrationState.Undecided, (await leaving).State);
        Assert.Equal(VmState.Paused, await pair.Source.GetStateAsync(Cancellation));
    }

    [Fact]
    public async Task A_vm_that_was_paused_arrives_paused()
    {
        await using MigrationPair pair = await MigrationPair.CreateAsync(
            guest, 4 << 20, 2, new() { VerifyMemory = true }, null, Cancellation);
        await pair.Source.PauseAsync(Cancellation);

        (MigrationStatus status, _) = await pair.RunAsync(Cancellation);

        Assert.Equal(MigrationState.Completed, status.State);
        Assert.Equal(VmState.Paused, await pair.Destination.GetStateAsync(Cancellation));
    }

    private static Task<MigrationPair> NewPairAsync(MigrationErrorReason failure) => MigrationPair.CreateAsync(
        guest, 4 << 20, 1, new(), null, Cancellation, vm => new ResumeFault(vm, new(failure, "the test says no")));
}
