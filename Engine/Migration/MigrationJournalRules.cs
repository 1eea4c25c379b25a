namespace VmMigration.Engine.Migration;

/// <summary>Which journal state may follow which. Pure, so that a test can walk all of it.</summary>
public static class MigrationJournalRules
{
    /// <summary>
    /// Whether <paramref name="next"/> may be recorded after <paramref name="last"/>, which is null for the first record. A state may follow
    /// itself, since a record can be repeated after an interruption.
    /// </summary>
    public static bool Allows(MigrationRole role, MigrationJournalState? last, MigrationJournalState next)
    {
        if (last == next) return Belongs(role, next);
        return (role, last, next) switch
        {
            (MigrationRole.Source or MigrationRole.Destination, null, MigrationJournalState.Started) => true,
            (MigrationRole.Source or MigrationRole.Destination, MigrationJournalState.Started, MigrationJournalState.RolledBack) => true,

            (MigrationRole.Source, MigrationJournalState.Started, MigrationJournalState.Granted) => true,
            // Back from Granted only on the destination's word that it does not own the VM and never will.
            (MigrationRole.Source, MigrationJournalState.Granted or MigrationJournalState.Undecided,
                MigrationJournalState.Completed or MigrationJournalState.RolledBack) => true,
            (MigrationRole.Source, MigrationJournalState.Granted, MigrationJournalState.Undecided) => true,

            (MigrationRole.Destination, MigrationJournalState.Started,
                MigrationJournalState.Owner or MigrationJournalState.Receiving) => true,
            // Back from Owner where the VM could not be resumed and its copy is destroyed: it never ran here.
            (MigrationRole.Destination, MigrationJournalState.Owner or MigrationJournalState.Receiving,
                MigrationJournalState.Completed or MigrationJournalState.RolledBack) => true,

            // The VM ended at the moment of its resume: it may have run or not.
            (MigrationRole.Destination, MigrationJournalState.Owner or MigrationJournalState.Receiving,
                MigrationJournalState.Undecided) => true,
            (MigrationRole.Destination, MigrationJournalState.Undecided,
                MigrationJournalState.Completed or MigrationJournalState.RolledBack) => true,
            _ => false,
        };
    }

    /// <summary>Whether nothing is left to decide.</summary>
    public static bool HasEnded(MigrationJournalState state) => state is MigrationJournalState.Completed or MigrationJournalState.RolledBack;

    private static bool Belongs(MigrationRole role, MigrationJournalState state) => (role, state) switch
    {
        (_, MigrationJournalState.Invalid) => false,
        (MigrationRole.Source, MigrationJournalState.Owner or MigrationJournalState.Receiving) => false,
        (MigrationRole.Destination, MigrationJournalState.Granted) => false,
        (MigrationRole.Source or MigrationRole.Destination, _) => Enum.IsDefined(state),
        _ => false,
    };
}
