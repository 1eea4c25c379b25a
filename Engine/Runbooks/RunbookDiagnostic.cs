namespace VmMigration.Engine.Runbooks;

/// <summary>One thing that keeps a runbook from running. Serializable.</summary>
/// <param name="File">The runbook, as its path was given.</param>
/// <param name="Line">Line, from 1.</param>
/// <param name="Column">Column, from 1.</param>
/// <param name="Code">Short, stable name of the finding, for example <c>UnknownKey</c>.</param>
/// <param name="Message">What is wrong, with the names involved.</param>
/// <param name="Hint">What to write instead.</param>
public sealed record RunbookDiagnostic(string File, int Line, int Column, string Code, string Message, string Hint)
{
    /// <summary>One line as compilers print it: <c>file(line,column): Code: message hint</c>.</summary>
    public override string ToString() => $"{File}({Line},{Column}): {Code}: {Message} {Hint}";
}
