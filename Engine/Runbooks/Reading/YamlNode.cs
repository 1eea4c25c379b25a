namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>A node of a YAML document with the place it begins at.</summary>
internal abstract record YamlNode(SourceLocation Location);

/// <summary>Text. What it means is for the schema to say.</summary>
/// <param name="Location">Where it begins.</param>
/// <param name="Text">Its text, escapes resolved.</param>
/// <param name="IsPlain">Whether it is written without quotes and is no block of text.</param>
/// <param name="StartIndex">Where it begins in the file's text.</param>
/// <param name="EndIndex">Where it ends in the file's text.</param>
internal sealed record YamlScalar(SourceLocation Location, string Text, bool IsPlain, int StartIndex, int EndIndex) : YamlNode(Location)
{
    /// <summary>Whether nothing is written, or one of YAML's words for it.</summary>
    public bool IsNull => IsPlain && Text is "" or "~" or "null";
}

/// <summary>A list.</summary>
internal sealed record YamlList(SourceLocation Location, IReadOnlyList<YamlNode> Items) : YamlNode(Location);

/// <summary>A map; no key occurs twice.</summary>
internal sealed record YamlMap(SourceLocation Location, IReadOnlyList<KeyValuePair<YamlScalar, YamlNode>> Entries) : YamlNode(Location);
