namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>Reads the top level of a runbook.</summary>
internal sealed class DocumentReader
{
    private static readonly string[] Keys =
        ["apiVersion", "kind", "metadata", "parameters", "defaults", "steps", "always", "outputs"];

    private static readonly string[] LaterKeys = ["modules"];
    private static readonly string[] MetadataKeys = ["name", "description"];

    private readonly string file;
    private readonly DiagnosticBag diagnostics;
    private readonly ValueReader valueReader;
    private readonly StepReader stepReader;
    private readonly DefaultsReader defaultsReader;

    public DocumentReader(string text, string file, StepCatalog catalog, DiagnosticBag diagnostics)
    {
        this.file = file;
        this.diagnostics = diagnostics;
        valueReader = new ValueReader(text, diagnostics);
        var arguments = new ArgumentsReader(valueReader, diagnostics);
        stepReader = new StepReader(catalog, valueReader, arguments, diagnostics);
        defaultsReader = new DefaultsReader(catalog, arguments, diagnostics);
    }

    /// <summary>Reads the runbook; null, or a runbook with parts missing, where there are diagnostics.</summary>
    public Runbook? Read(YamlNode root)
    {
        if (root is not YamlMap map)
        {
            diagnostics.Add(root.Location, "WrongType", "A runbook is a map.",
                $"Begin with 'apiVersion: {RunbookReader.ApiVersion}' and 'kind: {RunbookReader.Kind}'.");
            return null;
        }

        var reader = new MapReader(map, "a runbook", Keys, LaterKeys, diagnostics);
        RequireExactly(reader, "apiVersion", RunbookReader.ApiVersion);
        RequireExactly(reader, "kind", RunbookReader.Kind);
        RunbookMetadata? metadata = ReadMetadata(reader);
        IReadOnlyList<ParameterDeclaration> parameters = new ParameterReader(diagnostics).Read(reader.Find("parameters"));
        string[] names = ParameterNames(reader.Find("parameters"));
        Dictionary<string, IReadOnlyList<StepArgument>> defaults = defaultsReader.Read(reader.Find("defaults"), names);

        List<string> ids = [];
        IReadOnlyList<RunbookStep> steps = [];
        if (reader.Require("steps", "steps: [{ id: hosts, run: Get-MigrationHost }]"))
        {
            steps = stepReader.Read(reader.Find("steps")!, "steps", names, ids, defaults);
        }

        string[] mainIds = [.. ids];
        IReadOnlyList<RunbookStep> always =
            reader.Find("always") is { } alwaysNode ? stepReader.Read(alwaysNode, "always", names, ids, defaults) : [];
        IReadOnlyList<KeyValuePair<string, RunbookValue>> outputs = ReadOutputs(reader.Find("outputs"), new(names, mainIds, []));
        return metadata is null ? null : new Runbook
        {
            File = file,
            Metadata = metadata,
            Parameters = parameters,
            Steps = steps,
            Always = always,
            Outputs = outputs,
        };
    }

    /// <summary>Also of declarations that do not read well, so that one mistake is reported once.</summary>
    private static string[] ParameterNames(YamlNode? node) => node is YamlMap map ? [.. map.Entries.Select(entry => entry.Key.Text)] : [];

    private void RequireExactly(MapReader reader, string key, string expected)
    {
        if (reader.RequireText(key, expected) is not { } value || value.Text == expected) return;
        diagnostics.Add(value.Location, "NotSupported", $"'{Shown.Text(value.Text)}' is no {key} this version knows.",
            $"Write '{key}: {expected}'.");
    }

    private RunbookMetadata? ReadMetadata(MapReader reader)
    {
        if (!reader.Require("metadata", "metadata: { name: my-runbook }")) return null;
        YamlNode node = reader.Find("metadata")!;
        if (node is not YamlMap map)
        {
            diagnostics.Add(node.Location, "WrongType", "'metadata' must be a map.", "Write 'metadata: { name: my-runbook }'.");
            return null;
        }

        var metadata = new MapReader(map, "metadata", MetadataKeys, [], diagnostics);
        string? description = metadata.FindText("description", "Moves a virtual machine")?.Text;
        if (metadata.RequireText("name", "my-runbook") is not { } name) return null;
        if (Identifier.IsValid(name.Text)) return new(name.Text, description);
        diagnostics.Add(name.Location, "InvalidName", $"'{Shown.Text(name.Text)}' cannot name a runbook.", Identifier.Rule);
        return null;
    }

    private List<KeyValuePair<string, RunbookValue>> ReadOutputs(YamlNode? node, ReferenceScope scope)
    {
        if (node is null or YamlScalar { IsNull: true }) return [];
        if (node is not YamlMap map)
        {
            diagnostics.Add(node.Location, "WrongType", "'outputs' must be a map of names to values.",
                "Write for example 'downtime: ${{ steps.migrate.output.Result.Downtime }}'.");
            return [];
        }

        List<KeyValuePair<string, RunbookValue>> outputs = [];
        foreach ((YamlScalar name, YamlNode body) in map.Entries)
        {
            if (!Identifier.IsValid(name.Text))
            {
                diagnostics.Add(name.Location, "InvalidName", $"'{Shown.Text(name.Text)}' cannot name an output.", Identifier.Rule);
            }
            else if (valueReader.Read(body, scope) is { } value)
            {
                outputs.Add(new(name.Text, value));
            }
        }

        return outputs;
    }
}
