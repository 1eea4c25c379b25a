using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

public sealed class MigrationJournalRulesTests
{
    private static readonly MigrationJournalState[] all = Enum.GetValues<MigrationJournalState>();

    [Fact]
    public void A_source_that_has_not_granted_can_only_grant_or_roll_back() =>
        Assert.Equal(
            [MigrationJournalState.Started, MigrationJournalState.Granted, MigrationJournalState.RolledBack],
            Next(MigrationRole.Source, MigrationJournalState.Started));

    [Fact]
    public void A_destination_without_a_grant_owns_or_gives_up() =>
        Assert.Equal(
            [MigrationJournalState.Started, MigrationJournalState.Owner, MigrationJournalState.RolledBack, MigrationJournalState.Receiving],
            Next(MigrationRole.Destination, MigrationJournalState.Started));

    [Fact]
    public void Only_a_source_can_grant_and_only_a_destination_can_take_over_or_be_in_doubt_after_that()
    {
        Assert.All(all, last => Assert.DoesNotContain(MigrationJournalState.Owner, Next(MigrationRole.Source, last)));
        Assert.All(all, last => Assert.DoesNotContain(MigrationJournalState.Receiving, Next(MigrationRole.Source, last)));
        Assert.All(all, last => Assert.DoesNotContain(MigrationJournalState.Granted, Next(MigrationRole.Destination, last)));
        Assert.Equal(
            [MigrationJournalState.Owner, MigrationJournalState.Undecided, MigrationJournalState.Receiving],
            all.Where(last => Next(MigrationRole.Destination, last).Contains(MigrationJournalState.Undecided)));
    }

    [Fact]
    public void A_source_completes_only_what_it_granted() =>
        Assert.All(
            all.Where(last => Next(MigrationRole.Source, last).Contains(MigrationJournalState.Completed)),
            last => Assert.Contains(
                last, new[] { MigrationJournalState.Granted, MigrationJournalState.Undecided, MigrationJournalState.Completed }));

    [Theory]
    [InlineData(MigrationRole.Source)]
    [InlineData(MigrationRole.Destination)]
    public void What_has_ended_changes_no_more(MigrationRole role) =>
        Assert.All(all.Where(MigrationJournalRules.HasEnded), ended => Assert.Equal([ended], Next(role, ended)));

    [Theory]
    [InlineData(MigrationRole.Source)]
    [InlineData(MigrationRole.Destination)]
    public void The_first_record_is_that_it_started(MigrationRole role) =>
        Assert.Equal([MigrationJournalState.Started], Next(role, null));

    [Fact]
    public void A_destination_that_owns_gives_the_vm_back_only_by_saying_that_it_never_ran_or_that_nobody_knows() =>
        Assert.Equal(
            [MigrationJournalState.Owner, MigrationJournalState.Completed, MigrationJournalState.RolledBack, MigrationJournalState.Undecided],
            Next(MigrationRole.Destination, MigrationJournalState.Owner));

    [Fact]
    public void A_destination_that_misses_memory_completes_or_never_ran_the_vm_or_nobody_knows() =>
        Assert.Equal(
            [
                MigrationJournalState.Completed, MigrationJournalState.RolledBack, MigrationJournalState.Undecided,
                MigrationJournalState.Receiving,
            ],
            Next(MigrationRole.Destination, MigrationJournalState.Receiving));

    [Fact]
    public void Nothing_is_allowed_without_a_role() =>
        Assert.DoesNotContain(all, last => all.Any(next => MigrationJournalRules.Allows(MigrationRole.Invalid, last, next)));

    private static IEnumerable<MigrationJournalState> Next(MigrationRole role, MigrationJournalState? last) =>
        all.Where(next => MigrationJournalRules.Allows(role, last, next));
}
