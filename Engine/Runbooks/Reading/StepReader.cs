using System.Buffers;
using System.Globalization;

namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>Reads the steps under <c>steps</c> and <c>always</c>.</summary>
internal sealed class StepReader(StepCatalog catalog, ValueReader values, ArgumentsReader arguments, DiagnosticBag diagnostics)
{
    /// <summary>Most items of a forEach under way at once.</summary>
    public const int MaxThrottle = 64;

    private static readonly SearchValues<char> ScriptCharacters = SearchValues.Create(" \t\r\n|;&$(){}");
    private static readonly string[] Keys = ["id", "run", "with", "if", "forEach", "throttle"];
    private static readonly string[] LaterKeys = ["block", "rescue", "retry", "timeout", "effect"];

    /// <summary>Reads a list of steps.</summary>
    /// <param name="node">The list.</param>
    /// <param name="key">The key it stands under.</param>
    /// <param name="parameters">Names of the runbook's parameters.</param>
    /// <param name="earlier">Ids of the steps that run before these; the ids read are added.</param>
    /// <param name="defaults">Arguments for steps that name none, by cmdlet.</param>
    public IReadOnlyList<RunbookStep> Read(
        YamlNode node, string key, IReadOnlyCollection<string> parameters, List<string> earlier,
        IReadOnlyDictionary<string, IReadOnlyList<StepArgument>> defaults)
    {
        if (node is not YamlList { Items.Count: > 0 } list)
        {
            diagnostics.Add(node.Location, "WrongType", $"'{key}' must be a list of at least one step.",
                "Write each step as an item: '- id: hosts', and below it 'run: New-MigrationHost'.");
            return [];
        }

        string[] all = [.. list.Items.OfType<YamlMap>().Select(FindId).OfType<string>()];
        List<RunbookStep> steps = [];
        foreach (YamlNode item in list.Items)
        {
            var scope = new ReferenceScope(parameters, [.. earlier], all);
            if (item is not YamlMap map)
            {
                diagnostics.Add(item.Location, "WrongType", "A step must be a map.",
                    "Write '- id: hosts' and below it, indented, 'run: New-MigrationHost'.");
                continue;
            }

            if (ReadStep(map, scope, defaults) is { } step) steps.Add(step);

            // Also a step that does not read well is known to those after it, so that one mistake is reported once.
            if (FindId(map) is { } id) earlier.Add(id);
        }

        return steps;
    }

    private static string? FindId(YamlMap map) =>
        map.Entries.FirstOrDefault(entry => entry.Key.Text == "id").Value is YamlScalar id ? id.Text : null;

    private CmdletStep? ReadStep(
        YamlMap map, ReferenceScope scope, IReadOnlyDictionary<string, IReadOnlyList<StepArgument>> defaults)
    {
        var reader = new MapReader(map, "a step", Keys, LaterKeys, diagnostics);
        string? id = ReadId(reader, scope);
        RunbookValue? forEach = ReadForEach(reader.Find("forEach"), scope);
        ReferenceScope inner = scope with { HasItem = reader.Find("forEach") is not null };
        RunbookValue? condition = reader.Find("if") is { } conditionNode ? ReadCondition(conditionNode, inner) : null;
        RunbookValue? throttle = ReadThrottle(reader, scope);
        if (ReadCmdlet(reader) is not { } cmdlet) return null;

        IReadOnlyList<StepArgument> own = arguments.Read(reader.Find("with"), "with", cmdlet, inner);
        IReadOnlyList<StepArgument> inherited = defaults.GetValueOrDefault(cmdlet.Name, []);
        StepArgument[] given = [.. own, .. inherited.Where(argument => own.All(known => known.Parameter != argument.Parameter))];
        CheckMandatory(reader, cmdlet, given);
        return id is null ? null : new CmdletStep
        {
            Id = id,
            Location = map.Location,
            Cmdlet = cmdlet,
            Arguments = given,
            Condition = condition,
            ForEach = forEach,
            Throttle = throttle,
        };
    }

    private string? ReadId(MapReader reader, ReferenceScope scope)
    {
        if (reader.RequireText("id", "migrate") is not { } id) return null;
        if (!Identifier.IsValid(id.Text))
        {
            diagnostics.Add(id.Location, "InvalidName", $"'{Shown.Text(id.Text)}' cannot be the id of a step.", Identifier.Rule);
            return null;
        }

        if (!scope.Steps.Contains(id.Text, StringComparer.OrdinalIgnoreCase)) return id.Text;
        diagnostics.Add(id.Location, "DuplicateName", $"There is a step '{id.Text}' already.",
            "Give each step, also under 'always', its own id.");
        return null;
    }

    private StepCmdlet? ReadCmdlet(MapReader reader)
    {
        if (reader.RequireText("run", "Start-VmMigration") is not { } name) return null;
        if (catalog.TryFind(name.Text, out StepCmdlet? cmdlet)) return cmdlet;
        bool script = name.Text.AsSpan().ContainsAny(ScriptCharacters);
        diagnostics.Add(name.Location, "UnknownCmdlet", $"A runbook cannot run '{Shown.Text(name.Text)}'.", script
            ? "Name one cmdlet of this module, and put its parameters under 'with'; script text is never run."
            : NearestName.Hint(name.Text, catalog.Names));
        return null;
    }

    private RunbookValue? ReadCondition(YamlNode node, ReferenceScope scope)
    {
        if (node is YamlScalar { Text: "true" or "false" } fixedValue) return new LiteralValue(node.Location, fixedValue.Text == "true");
        return values.ReadExpression(node, "if", "${{ parameters.verify }}", scope);
    }

    private RunbookValue? ReadForEach(YamlNode? node, ReferenceScope scope) => node switch
    {
        null => null,
        YamlList => values.Read(node, scope),
        _ => values.ReadExpression(node, "forEach", "[web01, web02]' or 'forEach: ${{ steps.vms.output }}", scope),
    };

    private RunbookValue? ReadThrottle(MapReader reader, ReferenceScope scope)
    {
        if (reader.Find("throttle") is not { } node) return null;
        if (reader.Find("forEach") is null)
        {
            diagnostics.Add(node.Location, "NoForEach", "'throttle' has a meaning only next to 'forEach'.", "Remove it or add a forEach.");
            return null;
        }

        if (node is YamlScalar scalar && !ExpressionTemplate.IsIn(scalar.Text))
        {
            bool isNumber = long.TryParse(scalar.Text, NumberStyles.None, CultureInfo.InvariantCulture, out long count);
            if (isNumber && count is >= 1 and <= MaxThrottle) return new LiteralValue(node.Location, count);
            diagnostics.Add(node.Location, "WrongType", "'throttle' must be a whole number.", $"Write a number from 1 to {MaxThrottle}.");
            return null;
        }

        return values.ReadExpression(node, "throttle", "4", scope);
    }

    private void CheckMandatory(MapReader reader, StepCmdlet cmdlet, StepArgument[] given)
    {
        string[] missing =
        [
            .. cmdlet.Parameters.Where(parameter => parameter.IsMandatory
                    && given.All(argument => argument.Parameter != parameter) && !IsWritten(reader.Find("with"), parameter))
                .Select(parameter => parameter.Name),
        ];
        if (missing.Length == 0) return;
        diagnostics.Add(reader.Find("run")!.Location, "MissingArgument", $"{cmdlet.Name} needs '{string.Join("', '", missing)}'.",
            $"Add under 'with': '{missing[0]}: <value>'.");
    }

    /// <summary>Whether the parameter is there, if only with a value that did not read well and is reported already.</summary>
    private static bool IsWritten(YamlNode? with, StepParameter parameter) => with is YamlMap map && map.Entries.Any(entry =>
        entry.Key.Text.Equals(parameter.Name, StringComparison.OrdinalIgnoreCase)
        || parameter.Aliases.Contains(entry.Key.Text, StringComparer.OrdinalIgnoreCase));
}
