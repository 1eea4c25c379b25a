namespace VmMigration.Engine.Runbooks;

/// <summary>What became of reading a runbook.</summary>
/// <param name="Runbook">The runbook; null where there is a diagnostic.</param>
/// <param name="Diagnostics">All that is wrong, by position; empty where the runbook can run.</param>
public sealed record RunbookReading(Runbook? Runbook, IReadOnlyList<RunbookDiagnostic> Diagnostics)
{
    /// <summary>Takes the runbook, or fails with the first diagnostic.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.RunbookInvalid"/> where there are diagnostics.</exception>
    public Runbook GetRunbook()
    {
        if (Runbook is not null) return Runbook;
        string more = Diagnostics.Count > 1 ? $" ({Diagnostics.Count - 1} more)" : "";
        RunbookDiagnostic first = Diagnostics[0];
        throw new MigrationException(MigrationErrorReason.RunbookInvalid,
            $"{first.File}({first.Line},{first.Column}): {first.Message}{more}", first.Hint);
    }
}
