namespace VmMigration.Engine.Migration;

/// <summary>
/// What one side of a migration has decided for good. The commit order rests on these records: the destination says
/// that it is ready; the source records <see cref="Granted"/> and sends the grant; the destination records <see cref="Owner"/>, resumes
/// and says so; only then does the source destroy its copy. The numbers are on disk and never change.
/// </summary>
public enum MigrationJournalState
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>Under way. The source owns the VM.</summary>
    Started = 1,

    /// <summary>Source: ownership was given away. It must not run the VM any more, and keeps its paused copy until the end.</summary>
    Granted = 2,

    /// <summary>Destination: it owns the VM and may run it.</summary>
    Owner = 3,

    /// <summary>The VM is at the destination, and only there.</summary>
    Completed = 4,

    /// <summary>The VM is at the source, and only there.</summary>
    RolledBack = 5,

    /// <summary>
    /// Source: it cannot know who owns the VM; it keeps its copy and does not run it. Destination: the VM was given to it and ended at the
    /// moment of its resume, so that nobody can know whether it ran.
    /// </summary>
    Undecided = 6,

    /// <summary>Destination: as <see cref="Owner"/>, and part of the VM's memory is still at the source.</summary>
    Receiving = 7,
}
