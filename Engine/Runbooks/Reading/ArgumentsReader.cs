namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>Reads the arguments of a cmdlet, checked against its parameters.</summary>
internal sealed class ArgumentsReader(ValueReader values, DiagnosticBag diagnostics)
{
    /// <param name="node">A map of parameter names to values; null where there is none.</param>
    /// <param name="key">The key it stands under.</param>
    /// <param name="cmdlet">The cmdlet.</param>
    /// <param name="scope">What expressions may refer to.</param>
    public IReadOnlyList<StepArgument> Read(YamlNode? node, string key, StepCmdlet cmdlet, ReferenceScope scope)
    {
        if (node is null or YamlScalar { IsNull: true }) return [];
        if (node is not YamlMap map)
        {
            diagnostics.Add(node.Location, "WrongType", $"'{key}' must be a map of parameters to values.",
                $"Write each parameter of {cmdlet.Name} on a line of its own, for example 'Name: web01'.");
            return [];
        }

        List<StepArgument> arguments = [];
        foreach ((YamlScalar name, YamlNode body) in map.Entries)
        {
            if (!cmdlet.TryFindParameter(name.Text, out StepParameter? parameter))
            {
                diagnostics.Add(name.Location, "UnknownArgument", $"{cmdlet.Name} has no parameter '{Shown.Text(name.Text)}'.",
                    NearestName.Hint(name.Text, [.. cmdlet.Parameters.Select(known => known.Name)]));
            }
            else if (arguments.Any(known => known.Parameter == parameter))
            {
                diagnostics.Add(name.Location, "DuplicateName", $"'{parameter.Name}' is given already.", "Remove one of the two.");
            }
            else if (values.Read(body, parameter, scope) is { } value)
            {
                arguments.Add(new(parameter, value));
            }
        }

        return arguments;
    }
}
