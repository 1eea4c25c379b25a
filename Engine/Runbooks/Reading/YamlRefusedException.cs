namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>Ends the loading of a YAML document; never leaves <see cref="YamlLoader"/>.</summary>
internal sealed class YamlRefusedException(SourceLocation location, string code, string message, string hint) : Exception(message)
{
    public SourceLocation Location { get; } = location;

    public string Code { get; } = code;

    public string Hint { get; } = hint;
}
