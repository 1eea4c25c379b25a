namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>
/// Finds the line and column of expressions inside a scalar. The scalar's text differs from the file's by escapes, folding and
/// indentation, so the n-th <c>${{</c> of the one is looked up as the n-th of the other.
/// </summary>
internal sealed class ExpressionLocator(string file, YamlScalar scalar)
{
    private int _from = scalar.StartIndex;
    private int _line = scalar.Location.Line;
    private int _lineStart = scalar.StartIndex - (scalar.Location.Column - 1);

    /// <summary>Where the next <c>${{</c> of the scalar stands in the file; the scalar's own place where it cannot be found.</summary>
    public SourceLocation Next()
    {
        int end = Math.Clamp(scalar.EndIndex, 0, file.Length);
        if (_from < 0 || _from >= end) return scalar.Location;
        int found = file.IndexOf(ExpressionTemplate.Open, _from, end - _from, StringComparison.Ordinal);
        if (found < 0) return scalar.Location;
        for (int index = _from; index < found; index++)
        {
            if (file[index] != '\n') continue;
            _line++;
            _lineStart = index + 1;
        }

        _from = found + ExpressionTemplate.Open.Length;
        return new(_line, found - _lineStart + 1);
    }
}
