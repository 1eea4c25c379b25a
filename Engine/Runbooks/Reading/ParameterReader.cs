namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>Reads the declarations under <c>parameters</c>.</summary>
internal sealed class ParameterReader(DiagnosticBag diagnostics)
{
    private static readonly string[] Keys = ["type", "description", "default", "min", "max", "allowed"];
    private static readonly Dictionary<string, ParameterType> Types = new()
    {
        ["string"] = ParameterType.String,
        ["int"] = ParameterType.Int,
        ["bool"] = ParameterType.Bool,
        ["size"] = ParameterType.Size,
        ["duration"] = ParameterType.Duration,
    };

    public IReadOnlyList<ParameterDeclaration> Read(YamlNode? node)
    {
        if (node is null or YamlScalar { IsNull: true }) return [];
        if (node is not YamlMap map)
        {
            diagnostics.Add(node.Location, "WrongType", "'parameters' must be a map of names to declarations.",
                "Write for example 'parameters:' and below it, indented, 'memory: { type: size, default: 512MiB }'.");
            return [];
        }

        List<ParameterDeclaration> declarations = [];
        foreach ((YamlScalar name, YamlNode body) in map.Entries)
        {
            if (!Identifier.IsValid(name.Text))
            {
                diagnostics.Add(name.Location, "InvalidName", $"'{Shown.Text(name.Text)}' cannot name a parameter.", Identifier.Rule);
            }
            else if (declarations.Any(known => known.Name.Equals(name.Text, StringComparison.OrdinalIgnoreCase)))
            {
                diagnostics.Add(name.Location, "DuplicateName",
                    $"There is a parameter '{name.Text}' already; case does not tell them apart.", "Rename one of the two.");
            }
            else if (ReadOne(name, body) is { } declaration)
            {
                declarations.Add(declaration);
            }
        }

        return declarations;
    }

    private ParameterDeclaration? ReadOne(YamlScalar name, YamlNode body)
    {
        if (body is not YamlMap map)
        {
            diagnostics.Add(body.Location, "WrongType", $"The parameter '{name.Text}' must be declared by a map.",
                $"Write for example '{name.Text}: {{ type: string, default: web01 }}'.");
            return null;
        }

        var reader = new MapReader(map, $"the parameter '{name.Text}'", Keys, [], diagnostics);
        if (reader.RequireText("type", "string") is not { } typeName) return null;
        if (!Types.TryGetValue(typeName.Text, out ParameterType type))
        {
            diagnostics.Add(typeName.Location, "UnknownType", $"'{Shown.Text(typeName.Text)}' is no type of parameters.",
                NearestName.Hint(typeName.Text, Types.Keys));
            return null;
        }

        ParameterType limitType = type == ParameterType.String ? ParameterType.Int : type;
        var declaration = new ParameterDeclaration
        {
            Name = name.Text,
            Type = type,
            Location = name.Location,
            Description = reader.FindText("description", "Name of the virtual machine")?.Text,
            Minimum = ReadLimit(reader, "min", type, limitType),
            Maximum = ReadLimit(reader, "max", type, limitType),
            Allowed = ReadAllowed(reader.Find("allowed"), type),
        };
        return CheckLimits(declaration, reader) ? declaration with { Default = ReadDefault(reader.Find("default"), declaration) } : null;
    }

    private object? ReadLimit(MapReader reader, string key, ParameterType type, ParameterType limitType)
    {
        if (reader.Find(key) is not { } node) return null;
        if (type != ParameterType.Bool) return ReadValue(node, key, limitType);
        diagnostics.Add(node.Location, "WrongType", $"A parameter of type bool has no '{key}'.", "Remove it.");
        return null;
    }

    private List<object> ReadAllowed(YamlNode? node, ParameterType type)
    {
        if (node is null) return [];
        if (node is not YamlList { Items.Count: > 0 } list)
        {
            diagnostics.Add(node.Location, "WrongType", "'allowed' must be a list of values.",
                "Write for example 'allowed: [small, large]'.");
            return [];
        }

        return [.. list.Items.Select(item => ReadValue(item, "allowed", type)).OfType<object>()];
    }

    private bool CheckLimits(ParameterDeclaration declaration, MapReader reader)
    {
        if (declaration.Minimum is not IComparable minimum || declaration.Maximum is null) return true;
        if (minimum.CompareTo(declaration.Maximum) <= 0) return true;
        diagnostics.Add(reader.Find("min")!.Location, "LimitsCrossed", $"'min' of '{declaration.Name}' is above its 'max'.",
            "Swap the two.");
        return false;
    }

    private object? ReadDefault(YamlNode? node, ParameterDeclaration declaration)
    {
        if (node is null || ReadValue(node, "default", declaration.Type) is not { } value) return null;
        if (ParameterBinder.FindViolation(declaration, value) is not { } violation) return value;
        diagnostics.Add(node.Location, "OutOfLimits", $"The default of '{declaration.Name}' is not allowed: {violation}",
            "Change the default or the limits.");
        return null;
    }

    private object? ReadValue(YamlNode node, string key, ParameterType type)
    {
        if (node is not YamlScalar scalar || scalar.IsNull)
        {
            diagnostics.Add(node.Location, "WrongType", $"'{key}' must be a single value.", ScalarTyping.Example(type));
            return null;
        }

        if (ExpressionTemplate.IsIn(scalar.Text))
        {
            diagnostics.Add(node.Location, "NotALiteral", $"'{key}' must be a fixed value, not an expression.", ScalarTyping.Example(type));
            return null;
        }

        if (ScalarTyping.Convert(scalar.Text, type, out object? value) is not { } hint) return value;
        diagnostics.Add(node.Location, "WrongType", $"'{Shown.Text(scalar.Text)}' does not fit the parameter's type.", hint);
        return null;
    }
}
