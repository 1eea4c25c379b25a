using VmMigration.Engine.Runbooks;

namespace VmMigration.Cmdlets;

/// <summary>One thing that keeps a runbook from running.</summary>
/// <param name="File">The runbook's file.</param>
/// <param name="Line">Line, from 1.</param>
/// <param name="Column">Column, from 1.</param>
/// <param name="Code">Short, stable name of the finding, for example <c>UnknownKey</c>.</param>
/// <param name="Message">What is wrong.</param>
/// <param name="Hint">What to write instead.</param>
public sealed record MigrationRunbookDiagnostic(string File, int Line, int Column, string Code, string Message, string Hint)
{
    /// <summary>One line as compilers print it.</summary>
    public override string ToString() => $"{File}({Line},{Column}): {Code}: {Message} {Hint}";

    internal static MigrationRunbookDiagnostic From(RunbookDiagnostic diagnostic) =>
        new(diagnostic.File, diagnostic.Line, diagnostic.Column, diagnostic.Code, diagnostic.Message, diagnostic.Hint);
}
