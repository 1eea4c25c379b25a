namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>Collects what is wrong with one file.</summary>
internal sealed class DiagnosticBag(string file)
{
    /// <summary>A reader stops reporting here: what follows is mostly the echo of the first errors.</summary>
    private const int MaxCount = 200;

    private readonly List<RunbookDiagnostic> found = [];

    public bool IsEmpty => found.Count == 0;

    /// <summary>All that was found, by position.</summary>
    public IReadOnlyList<RunbookDiagnostic> Sorted =>
        [.. found.OrderBy(diagnostic => diagnostic.Line).ThenBy(diagnostic => diagnostic.Column)];

    public void Add(SourceLocation location, string code, string message, string hint)
    {
        if (found.Count < MaxCount) found.Add(new(file, location.Line, location.Column, code, message, hint));
    }
}
