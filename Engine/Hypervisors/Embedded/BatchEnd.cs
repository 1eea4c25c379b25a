namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>How a batch of steps ended.</summary>
/// <param name="Steps">Steps that were run.</param>
/// <param name="RefusedOffset">
/// The word, as an offset in RAM in bytes, whose access was refused and whose step is to be tried again; −1 where all steps were run.
/// </param>
/// <param name="RefusedWrite">Whether that access is a write.</param>
internal readonly record struct BatchEnd(long Steps, long RefusedOffset = BatchEnd.NothingRefused, bool RefusedWrite = false)
{
    /// <summary>Stands for no offset.</summary>
    public const long NothingRefused = -1;

    /// <summary>Whether an access was refused.</summary>
    public bool IsRefused => RefusedOffset != NothingRefused;
}
