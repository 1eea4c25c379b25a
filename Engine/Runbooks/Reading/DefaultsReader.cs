namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>
/// Reads <c>defaults</c>: for a cmdlet's name, arguments that each step running it is given where it names none itself, like
/// <c>$PSDefaultParameterValues</c>. Their expressions may refer to the runbook's parameters only.
/// </summary>
internal sealed class DefaultsReader(StepCatalog catalog, ArgumentsReader arguments, DiagnosticBag diagnostics)
{
    /// <returns>Arguments by the cmdlet's name, without regard to case.</returns>
    public Dictionary<string, IReadOnlyList<StepArgument>> Read(YamlNode? node, IReadOnlyCollection<string> parameters)
    {
        Dictionary<string, IReadOnlyList<StepArgument>> defaults = new(StringComparer.OrdinalIgnoreCase);
        if (node is null or YamlScalar { IsNull: true }) return defaults;
        if (node is not YamlMap map)
        {
            diagnostics.Add(node.Location, "WrongType", "'defaults' must be a map of cmdlets to arguments.",
                "Write for example 'defaults:' and below it, indented, 'Start-VmMigration: { VerifyMemory: true }'.");
            return defaults;
        }

        foreach ((YamlScalar name, YamlNode body) in map.Entries)
        {
            if (!catalog.TryFind(name.Text, out StepCmdlet? cmdlet))
            {
                diagnostics.Add(name.Location, "UnknownCmdlet", $"A runbook cannot run '{Shown.Text(name.Text)}'.",
                    NearestName.Hint(name.Text, catalog.Names));
            }
            else if (!defaults.TryAdd(cmdlet.Name, arguments.Read(body, "defaults", cmdlet, new(parameters, [], []))))
            {
                diagnostics.Add(name.Location, "DuplicateName", $"There are defaults for '{cmdlet.Name}' already.", "Join the two.");
            }
        }

        return defaults;
    }
}
