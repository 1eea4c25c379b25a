using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// What the two journals of a migration mean for who may run the VM, and what a restart or an answer makes of them. Pure, so that a test can
/// walk every pair of states.
/// </summary>
internal static class CommitRules
{
    /// <summary>Whether a host whose journal says this may run its copy of the VM.</summary>
    public static bool MayRun(MigrationRole role, MigrationJournalState state) => (role, state) switch
    {
        (MigrationRole.Source, MigrationJournalState.Started or MigrationJournalState.RolledBack) => true,
        (MigrationRole.Destination,
            MigrationJournalState.Owner or MigrationJournalState.Receiving or MigrationJournalState.Completed) => true,
        _ => false,
    };

    /// <summary>What a restart of the host makes of the last record.</summary>
    /// <param name="role">Which end the host is.</param>
    /// <param name="last">The last record.</param>
    /// <param name="vmKnown">Whether the host's journal still has the VM.</param>
    public static MigrationJournalState AfterRestart(MigrationRole role, MigrationJournalState last, bool vmKnown) => (role, last) switch
    {
        // Nothing was given away: the VM is still here.
        (MigrationRole.Source, MigrationJournalState.Started) => MigrationJournalState.RolledBack,

        // The copy goes only once the destination has said that the VM runs there.
        (MigrationRole.Source, MigrationJournalState.Granted) when !vmKnown => MigrationJournalState.Completed,

        // The grant may have reached the destination or not.
        (MigrationRole.Source, MigrationJournalState.Granted) => MigrationJournalState.Undecided,

        // No grant was recorded, so the VM never ran here and, this being on record, never will: the source may take it back.
        (MigrationRole.Destination, MigrationJournalState.Started) => MigrationJournalState.RolledBack,
        _ => last,
    };

    /// <summary>What a destination answers whose journal says this.</summary>
    public static MigrationOutcome OutcomeOf(MigrationJournalState destination) => destination switch
    {
        MigrationJournalState.Receiving => MigrationOutcome.DestinationReceives,
        MigrationJournalState.Owner or MigrationJournalState.Completed => MigrationOutcome.DestinationOwns,
        MigrationJournalState.RolledBack => MigrationOutcome.SourceOwns,
        MigrationJournalState.Undecided => MigrationOutcome.Undecided,
        _ => MigrationOutcome.Pending,
    };

    /// <summary>What the destination's answer makes of a source that gave the VM away and does not know more.</summary>
    public static MigrationJournalState AfterAnswer(MigrationJournalState source, MigrationOutcome outcome) => (source, outcome) switch
    {
        (MigrationJournalState.Granted or MigrationJournalState.Undecided, MigrationOutcome.DestinationOwns) => MigrationJournalState.Completed,
        (MigrationJournalState.Granted or MigrationJournalState.Undecided, MigrationOutcome.SourceOwns) => MigrationJournalState.RolledBack,
        _ => source,
    };
}
