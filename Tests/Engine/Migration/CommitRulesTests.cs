using CsCheck;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>Walks both journals through the commit, with crashes, lost frames and questions wherever they can come.</summary>
public class CommitRulesTests
{
    private enum Step
    {
        SourceGrants,
        DestinationTakesOver,
        DestinationReceives,
        DestinationPlacedAll,
        DestinationFailsToResume,
        DestinationEndsAtItsResume,
        DestinationGivesUp,
        SourceHears,
        SourceGivesUpWaiting,
        SourceCancels,
        SourceRestarts,
        DestinationRestarts,
        SourceAsks,
    }

    private readonly record struct Sides(MigrationJournalState Source, MigrationJournalState Destination, bool GrantUnderWay);

    [Fact]
    public void However_frames_and_crashes_fall_the_vm_never_may_run_on_both_sides() => Gen.Enum<Step>().Array[0, 40].Sample(steps =>
    {
        Sides sides = new(MigrationJournalState.Started, MigrationJournalState.Started, GrantUnderWay: false);
        foreach (Step step in steps)
        {
            Sides next = Take(sides, step);
            Assert.True(
                next.Source == sides.Source || MigrationJournalRules.Allows(MigrationRole.Source, sides.Source, next.Source),
                $"{sides.Source} to {next.Source}");
            Assert.True(
                next.Destination == sides.Destination
                    || MigrationJournalRules.Allows(MigrationRole.Destination, sides.Destination, next.Destination),
                $"{sides.Destination} to {next.Destination}");
            sides = next;
            Assert.False(BothMayRun(sides), $"{sides} after {step}");
        }
    }, iter: 100_000);

    [Fact]
    public void Once_both_sides_were_restarted_and_the_source_has_asked_exactly_one_side_runs_or_the_copies_wait_for_a_decision() =>
        Gen.Enum<Step>().Array[0, 40].Sample(steps =>
        {
            Sides sides = new(MigrationJournalState.Started, MigrationJournalState.Started, GrantUnderWay: false);
            foreach (Step step in steps) sides = Take(sides, step);
            foreach (Step step in new[] { Step.DestinationRestarts, Step.SourceRestarts, Step.SourceAsks }) sides = Take(sides, step);

            bool here = CommitRules.MayRun(MigrationRole.Source, sides.Source);
            bool there = CommitRules.MayRun(MigrationRole.Destination, sides.Destination);
            bool open = sides is { Source: MigrationJournalState.Undecided, Destination: MigrationJournalState.Undecided };
            Assert.True(here ^ there ^ open, $"{sides}");
        }, iter: 100_000);

    [Fact]
    public void A_source_changes_by_an_answer_only_while_it_is_in_doubt()
    {
        foreach (MigrationJournalState source in Enum.GetValues<MigrationJournalState>())
        {
            foreach (MigrationOutcome outcome in Enum.GetValues<MigrationOutcome>())
            {
                MigrationJournalState after = CommitRules.AfterAnswer(source, outcome);
                bool final = outcome is MigrationOutcome.DestinationOwns or MigrationOutcome.SourceOwns;
                bool inDoubt = source is MigrationJournalState.Granted or MigrationJournalState.Undecided;
                Assert.Equal(final && inDoubt, after != source);
            }
        }
    }

    // A source that was rolled back never sends a grant; one that is under way is lost with either side's connection.
    private static bool BothMayRun(Sides sides) =>
        CommitRules.MayRun(MigrationRole.Source, sides.Source) && CommitRules.MayRun(MigrationRole.Destination, sides.Destination);

    private static Sides Take(Sides sides, Step step) => (step, sides.Source, sides.Destination) switch
    {
        (Step.SourceGrants, MigrationJournalState.Started, MigrationJournalState.Started) =>
            sides with { Source = MigrationJournalState.Granted, GrantUnderWay = true },
        (Step.DestinationTakesOver, _, MigrationJournalState.Started) when sides.GrantUnderWay =>
            sides with { Destination = MigrationJournalState.Owner, GrantUnderWay = false },
        (Step.DestinationReceives, _, MigrationJournalState.Started) when sides.GrantUnderWay =>
            sides with { Destination = MigrationJournalState.Receiving, GrantUnderWay = false },
        (Step.DestinationPlacedAll, _, MigrationJournalState.Owner or MigrationJournalState.Receiving) =>
            sides with { Destination = MigrationJournalState.Completed },
        (Step.DestinationFailsToResume, MigrationJournalState.Granted or MigrationJournalState.Undecided,
            MigrationJournalState.Owner or MigrationJournalState.Receiving) => sides with { Destination = MigrationJournalState.RolledBack },
        (Step.DestinationEndsAtItsResume, MigrationJournalState.Granted or MigrationJournalState.Undecided,
            MigrationJournalState.Owner or MigrationJournalState.Receiving) => sides with { Destination = MigrationJournalState.Undecided },
        (Step.DestinationGivesUp, _, MigrationJournalState.Started) =>
            sides with { Destination = MigrationJournalState.RolledBack, GrantUnderWay = false },
        (Step.SourceHears or Step.SourceAsks, _, _) =>
            sides with { Source = CommitRules.AfterAnswer(sides.Source, CommitRules.OutcomeOf(sides.Destination)) },
        (Step.SourceGivesUpWaiting, MigrationJournalState.Granted, _) => sides with { Source = MigrationJournalState.Undecided },
        (Step.SourceCancels, MigrationJournalState.Started, _) => sides with { Source = MigrationJournalState.RolledBack },
        (Step.SourceRestarts, _, _) =>
            sides with { Source = CommitRules.AfterRestart(MigrationRole.Source, sides.Source, vmKnown: true), GrantUnderWay = false },
        (Step.DestinationRestarts, _, _) => sides with
        {
            Destination = CommitRules.AfterRestart(MigrationRole.Destination, sides.Destination, vmKnown: true), GrantUnderWay = false,
        },
        _ => sides,
    };
}
