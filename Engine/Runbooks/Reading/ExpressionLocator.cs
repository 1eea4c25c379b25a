namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>
/// Finds the line and column of expressions inside a scalar. The scalar's text differs from the file's by escapes, folding and
/// indentation, so the n-th <c>${{</c> of the one is looked up as the n-th of the other.
/// </summary>
internal sealed class ExpressionLocator(string file, YamlScalar scalar)
{
    private int from = scalar.StartIndex;
    private int line = scalar.Location.Line;
    private int lineStart = scalar.StartIndex - (scalar.Location.Column - 1);

    /// <summary>Where the next <c>${{</c> of the scalar stands in the file; the scalar's own place where it cannot be found.</summary>
    public SourceLocation Next()
    {
        int end = Math.Clamp(scalar.EndIndex, 0, file.Length);
        if (from < 0 || from >= end) return scalar.Location;
        int found = file.IndexOf(ExpressionTemplate.Open, from, end - from, StringComparison.Ordinal);
        if (found < 0) return scalar.Location;
        for (int index = from; index < found; index++)
        {
            if (file[index] != '\n') continue;
            line++;
            lineStart = index + 1;
        }

        from = found + ExpressionTemplate.Open.Length;
        return new(line, found - lineStart + 1);
    }
}
