using VmMigration.Engine.Runbooks.Expressions;

namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>Reads values, typed by the cmdlet's parameter they are for, and checks the expressions in them.</summary>
/// <param name="file">The whole text of the runbook, to find expressions in.</param>
/// <param name="diagnostics">Takes what is wrong.</param>
internal sealed class ValueReader(string file, DiagnosticBag diagnostics)
{
    private static readonly StepParameter Untyped = new() { Name = "value", Type = StepParameterType.Any };
    private readonly ReferenceChecker references = new(diagnostics);

    /// <summary>Reads a value no cmdlet gives a type to.</summary>
    public RunbookValue? Read(YamlNode node, ReferenceScope scope) => Read(node, Untyped, scope);

    /// <summary>Reads a value for a parameter; null with a diagnostic where it does not fit.</summary>
    public RunbookValue? Read(YamlNode node, StepParameter parameter, ReferenceScope scope) => node switch
    {
        YamlScalar scalar => ReadScalar(scalar, parameter, scope),
        YamlList list => ReadList(list, parameter, scope),
        YamlMap map => ReadMap(map, parameter, scope),
        _ => throw new ArgumentException($"Unknown node {node.GetType().Name}.", nameof(node)),
    };

    /// <summary>Reads a text that must be one expression and nothing else; null with a diagnostic where it is not.</summary>
    public ExpressionValue? ReadExpression(YamlNode node, string key, string example, ReferenceScope scope)
    {
        if (node is YamlScalar scalar && ExpressionTemplate.IsIn(scalar.Text))
        {
            RunbookValue? value = ReadTemplate(scalar, scope);
            if (value is null or ExpressionValue) return (ExpressionValue?)value;
        }

        diagnostics.Add(node.Location, "NotAnExpression", $"'{key}' must be one expression.", $"Write for example '{key}: {example}'.");
        return null;
    }

    private RunbookValue? ReadScalar(YamlScalar scalar, StepParameter parameter, ReferenceScope scope)
    {
        if (ExpressionTemplate.IsIn(scalar.Text)) return ReadTemplate(scalar, scope);
        if (scalar.IsNull)
        {
            diagnostics.Add(scalar.Location, "MissingValue", $"'{parameter.Name}' has no value.",
                "Write a value, or remove the key. Quote the word null where it is meant as text.");
            return null;
        }

        string? hint = ScalarTyping.Convert(scalar.Text, scalar.IsPlain, parameter, out object? value);
        if (hint is null) return new LiteralValue(scalar.Location, value!);
        diagnostics.Add(scalar.Location, "WrongType", $"'{Shown.Text(scalar.Text)}' does not fit '{parameter.Name}'.", hint);
        return null;
    }

    private RunbookValue? ReadTemplate(YamlScalar scalar, ReferenceScope scope)
    {
        try
        {
            RunbookValue value = ExpressionTemplate.Parse(scalar, file);
            foreach (RunbookValue part in value is InterpolatedValue text ? text.Parts : [value])
            {
                if (part is ExpressionValue expression) references.Check(expression.Expression, scope);
            }

            return value;
        }
        catch (ExpressionException error)
        {
            diagnostics.Add(error.Location, error.Code, error.Message, error.Hint);
            return null;
        }
    }

    private ListValue? ReadList(YamlList list, StepParameter parameter, ReferenceScope scope)
    {
        if (!parameter.IsList && parameter.Type != StepParameterType.Any)
        {
            diagnostics.Add(list.Location, "WrongType", $"'{parameter.Name}' takes one value, not a list.",
                "Write the value without '-', or use forEach to run the step for each.");
            return null;
        }

        List<RunbookValue> items = [];
        foreach (YamlNode item in list.Items)
        {
            if (Read(item, parameter with { IsList = false }, scope) is { } value) items.Add(value);
        }

        return new(list.Location, items);
    }

    private MapValue? ReadMap(YamlMap map, StepParameter parameter, ReferenceScope scope)
    {
        if (parameter.Type != StepParameterType.Any)
        {
            diagnostics.Add(map.Location, "WrongType", $"'{parameter.Name}' takes a value, not a map.", "Write the value after the colon.");
            return null;
        }

        List<KeyValuePair<string, RunbookValue>> entries = [];
        foreach ((YamlScalar key, YamlNode node) in map.Entries)
        {
            if (Read(node, parameter with { Name = key.Text }, scope) is { } value) entries.Add(new(key.Text, value));
        }

        return new(map.Location, entries);
    }
}
