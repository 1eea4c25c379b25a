using VmMigration.Engine.Runbooks.Expressions;
using VmMigration.Engine.Runbooks.Reading;

namespace VmMigration.Engine.Runbooks;

/// <summary>Gives a runbook's parameters their values.</summary>
public static class ParameterBinder
{
    /// <summary>
    /// Takes the given values, converted to the declared types, and the defaults of the rest. Text is read as a runbook would write the
    /// value; it is never evaluated.
    /// </summary>
    /// <param name="runbook">The runbook.</param>
    /// <param name="given">Values by name: text, or the type that <see cref="ParameterType"/> names.</param>
    /// <param name="values">A value for every parameter, by name without regard to case; complete where there is no diagnostic.</param>
    /// <returns>What is wrong: unknown names, values that do not fit, values that are missing.</returns>
    public static IReadOnlyList<RunbookDiagnostic> Bind(
        Runbook runbook, IReadOnlyDictionary<string, object?> given, out IReadOnlyDictionary<string, object?> values)
    {
        ArgumentNullException.ThrowIfNull(runbook);
        ArgumentNullException.ThrowIfNull(given);
        var diagnostics = new DiagnosticBag(runbook.File);
        Dictionary<string, object?> bound = new(StringComparer.OrdinalIgnoreCase);
        foreach ((string name, object? value) in given)
        {
            ParameterDeclaration? declaration = runbook.Parameters.FirstOrDefault(
                known => known.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
            if (declaration is null)
            {
                diagnostics.Add(SourceLocation.Start, "UnknownParameter", $"The runbook declares no parameter '{Shown.Text(name)}'.",
                    NearestName.Hint(name, [.. runbook.Parameters.Select(known => known.Name)]));
            }
            else
            {
                bound[declaration.Name] = Convert(declaration, value, diagnostics);
            }
        }

        foreach (ParameterDeclaration declaration in runbook.Parameters.Where(known => !bound.ContainsKey(known.Name)))
        {
            bound[declaration.Name] = declaration.Default;
            if (declaration.Default is not null) continue;
            diagnostics.Add(declaration.Location, "MissingParameter", $"The parameter '{declaration.Name}' has no value and no default.",
                $"Pass it: --parameter {declaration.Name}=<value>, or -Parameter @{{ {declaration.Name} = <value> }}.");
        }

        values = bound;
        return diagnostics.Sorted;
    }

    /// <summary>Says in a sentence which limit a value breaks; null where it keeps them all.</summary>
    internal static string? FindViolation(ParameterDeclaration declaration, object value)
    {
        object measured = value is string text ? (long)text.Length : value;
        string what = value is string ? $"'{Shown.Text((string)value)}' has {measured} characters" : ValueText.Format(value);
        if (declaration.Minimum is IComparable minimum && minimum.CompareTo(measured) > 0)
        {
            return $"{what}, and the least is {ValueText.Format(minimum)}.";
        }

        if (declaration.Maximum is IComparable maximum && maximum.CompareTo(measured) < 0)
        {
            return $"{what}, and the most is {ValueText.Format(maximum)}.";
        }

        bool allowed = declaration.Allowed.Count == 0 || declaration.Allowed.Any(candidate => candidate is string word
            ? word.Equals(value as string, StringComparison.OrdinalIgnoreCase)
            : candidate.Equals(value));
        return allowed ? null : $"{ValueText.Format(value)} is none of {string.Join(", ", declaration.Allowed.Select(ValueText.Format))}.";
    }

    private static object? Convert(ParameterDeclaration declaration, object? given, DiagnosticBag diagnostics)
    {
        string? hint = (declaration.Type, given) switch
        {
            (_, null) => ScalarTyping.Example(declaration.Type),
            (_, string) => null,
            (ParameterType.Int or ParameterType.Size, int or long) => null,
            (ParameterType.Bool, bool) => null,
            (ParameterType.Duration, TimeSpan) => null,
            (ParameterType.String, int or long or double or Guid or Enum) => null,
            _ => ScalarTyping.Example(declaration.Type),
        };
        object? value = given is int number ? (long)number : given;
        if (hint is null && (given is string || declaration.Type == ParameterType.String))
        {
            hint = ScalarTyping.Convert(ValueText.Format(given), declaration.Type, out value);
        }

        if (hint is not null)
        {
            diagnostics.Add(declaration.Location, "WrongType",
                $"'{Shown.Text(ValueText.Format(given))}' does not fit the parameter '{declaration.Name}'.", hint);
            return null;
        }

        if (FindViolation(declaration, value!) is not { } violation) return value;
        diagnostics.Add(declaration.Location, "OutOfLimits", $"The value of '{declaration.Name}' is not allowed: {violation}",
            "Pass a value within the limits declared here.");
        return null;
    }
}
