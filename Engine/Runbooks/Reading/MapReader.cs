namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>Reads a map with a fixed set of keys, and reports every key that is not of that set.</summary>
internal sealed class MapReader
{
    private readonly DiagnosticBag diagnostics;
    private readonly Dictionary<string, YamlNode> values = [];
    private readonly HashSet<string> misspelt = [];
    private readonly string what;

    /// <param name="map">The map.</param>
    /// <param name="what">What the map is, as messages call it, for example <c>a step</c>.</param>
    /// <param name="known">The keys it may have.</param>
    /// <param name="later">Keys of a later version: known by name, and refused.</param>
    /// <param name="diagnostics">Takes what is wrong.</param>
    public MapReader(
        YamlMap map, string what, IReadOnlyCollection<string> known, IReadOnlyCollection<string> later, DiagnosticBag diagnostics)
    {
        Location = map.Location;
        this.diagnostics = diagnostics;
        this.what = what;
        foreach ((YamlScalar key, YamlNode value) in map.Entries)
        {
            if (known.Contains(key.Text))
            {
                values.Add(key.Text, value);
            }
            else if (later.Contains(key.Text))
            {
                diagnostics.Add(key.Location, "NotSupported", $"'{key.Text}' is not supported by this version.",
                    $"Remove it; it would not be obeyed. Supported in {what}: {string.Join(", ", known)}.");
            }
            else
            {
                diagnostics.Add(key.Location, "UnknownKey", $"'{Shown.Text(key.Text)}' is no key of {what}.",
                    NearestName.Hint(key.Text, known));
                if (NearestName.Find(key.Text, known) is { } meant) misspelt.Add(meant);
            }
        }
    }

    /// <summary>Where the map begins.</summary>
    public SourceLocation Location { get; }

    /// <summary>Takes a value; null where the key is not there.</summary>
    public YamlNode? Find(string key) => values.GetValueOrDefault(key);

    /// <summary>Takes a text that may be missing; null also where it is something else, with a diagnostic.</summary>
    public YamlScalar? FindText(string key, string example)
    {
        if (Find(key) is not { } node) return null;
        if (node is YamlScalar { IsNull: false } text) return text;
        diagnostics.Add(node.Location, "WrongType", $"'{key}' of {what} must be a text.", $"Write for example '{key}: {example}'.");
        return null;
    }

    /// <summary>Takes a text that must be there; null with a diagnostic where it is not.</summary>
    public YamlScalar? RequireText(string key, string example)
    {
        return Require(key, $"{key}: {example}") ? FindText(key, example) : null;
    }

    /// <summary>Reports a key that is not there, unless a misspelt one in its place is reported already.</summary>
    /// <returns>Whether it is there.</returns>
    public bool Require(string key, string example)
    {
        if (values.ContainsKey(key)) return true;
        if (!misspelt.Contains(key))
        {
            diagnostics.Add(Location, "MissingKey", $"'{key}' is missing in {what}.", $"Add for example '{example}'.");
        }

        return false;
    }
}
