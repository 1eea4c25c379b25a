using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>
/// Turns text into YAML nodes, driving YamlDotNet's parser event by event. Refuses what a runbook has no use for: several documents,
/// anchors and aliases (they can blow up memory), tags, keys that are no text, keys that occur twice.
/// </summary>
internal sealed class YamlLoader(string text, DiagnosticBag diagnostics)
{
    /// <summary>Deepest nesting of lists and maps.</summary>
    private const int MaxDepth = 32;

    private readonly Parser parser = new(new StringReader(text));
    private SourceLocation lastEnd = SourceLocation.Start;

    /// <summary>Loads the one document; null with a diagnostic where the text is not such a document.</summary>
    public YamlNode? Load()
    {
        try
        {
            return LoadDocument();
        }
        catch (YamlRefusedException refused)
        {
            diagnostics.Add(refused.Location, refused.Code, refused.Message, refused.Hint);
        }
        catch (YamlException syntax)
        {
            ReportSyntax(syntax);
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            // The YAML parser answers some malformed input with exceptions of any kind that carry no position (YamlDotNet 18).
            diagnostics.Add(lastEnd, "InvalidYaml", $"The YAML parser cannot read on from here: {Sentence(failure.Message)}",
                "Check the indentation, the colons and the quotes on this line and the next.");
        }

        return null;
    }

    private void ReportSyntax(YamlException syntax)
    {
        // Some of these exceptions are made without a position, which then is the start of the file.
        SourceLocation location = syntax.Start.Index > 0 ? Locate(syntax.Start) : lastEnd;
        if (syntax.Message.Contains(" tab ", StringComparison.Ordinal) && FindTab(location.Line) is { } tab)
        {
            diagnostics.Add(tab, "InvalidYaml", "A tab stands in the indentation.", "YAML is indented with spaces only, not with tabs.");
            return;
        }

        diagnostics.Add(location, "InvalidYaml", $"This is not valid YAML: {Sentence(syntax.Message)}",
            "Check the indentation, the colons and the quotes here and on the line before.");
    }

    /// <summary>The first tab in an indentation, from a line on.</summary>
    private SourceLocation? FindTab(int fromLine)
    {
        int number = 0;
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            int tab = line.IndexOf('\t');
            if (++number >= fromLine && tab >= 0 && line[..tab].IsWhiteSpace()) return new(number, tab + 1);
        }

        return null;
    }

    private YamlNode? LoadDocument()
    {
        Take<StreamStart>();
        if (Current is StreamEnd)
        {
            diagnostics.Add(SourceLocation.Start, "EmptyRunbook", "There is nothing in this file.",
                $"A runbook begins with 'apiVersion: {RunbookReader.ApiVersion}' and 'kind: {RunbookReader.Kind}'.");
            return null;
        }

        Take<DocumentStart>();
        YamlNode root = LoadNode(0);
        Take<DocumentEnd>();
        if (Current is DocumentStart second)
        {
            throw new YamlRefusedException(Locate(second.Start), "SeveralDocuments", "A second document begins here.",
                "Put each runbook into a file of its own and remove the '---' line.");
        }

        return root;
    }

    private YamlNode LoadNode(int depth)
    {
        ParsingEvent start = Current;
        SourceLocation location = Locate(start.Start);
        if (start is AnchorAlias) throw RefuseAnchor(location);
        if (start is NodeEvent { Anchor.IsEmpty: false }) throw RefuseAnchor(location);
        if (start is NodeEvent { Tag: { IsEmpty: false, IsNonSpecific: false } tag })
        {
            throw new YamlRefusedException(location, "TagNotAllowed", $"The tag '{tag.Value}' has no meaning in a runbook.",
                "Remove it: types come from the cmdlet's parameters.");
        }

        if (depth > MaxDepth)
        {
            throw new YamlRefusedException(location, "TooDeep", "Lists and maps are nested too deeply.", $"Keep to {MaxDepth} levels.");
        }

        switch (start)
        {
            case Scalar scalar:
                MoveNext();
                return new YamlScalar(location, scalar.Value, scalar.Style == ScalarStyle.Plain,
                    (int)scalar.Start.Index, (int)scalar.End.Index);
            case SequenceStart:
                return LoadList(location, depth);
            case MappingStart:
                return LoadMap(location, depth);
            default:
                throw new YamlRefusedException(location, "InvalidYaml", "A value is missing here.", "Write a text, a list or a map.");
        }
    }

    private YamlList LoadList(SourceLocation location, int depth)
    {
        Take<SequenceStart>();
        List<YamlNode> items = [];
        while (Current is not SequenceEnd) items.Add(LoadNode(depth + 1));
        MoveNext();
        return new(location, items);
    }

    private YamlMap LoadMap(SourceLocation location, int depth)
    {
        Take<MappingStart>();
        List<KeyValuePair<YamlScalar, YamlNode>> entries = [];
        Dictionary<string, YamlScalar> seen = [];
        while (Current is not MappingEnd)
        {
            YamlNode key = LoadNode(depth + 1);
            if (key is not YamlScalar name)
            {
                throw new YamlRefusedException(key.Location, "KeyNotText", "A key must be a word.",
                    "Quote a value that begins with '{' or '['.");
            }

            YamlNode value = LoadNode(depth + 1);
            if (seen.TryGetValue(name.Text, out YamlScalar? first))
            {
                diagnostics.Add(name.Location, "DuplicateKey", $"The key '{name.Text}' is there already, in line {first.Location.Line}.",
                    "Remove one of the two.");
                continue;
            }

            seen.Add(name.Text, name);
            entries.Add(new(name, value));
        }

        MoveNext();
        return new(location, entries);
    }

    private ParsingEvent Current
    {
        get
        {
            if (parser.Current is null) MoveNext();
            return parser.Current!;
        }
    }

    private void Take<TEvent>()
        where TEvent : ParsingEvent
    {
        if (Current is not TEvent)
        {
            throw new YamlRefusedException(Locate(Current.Start), "InvalidYaml", "The document does not go on as YAML has it.",
                "Check the indentation here and on the line before.");
        }

        MoveNext();
    }

    private void MoveNext()
    {
        bool moved = parser.MoveNext();
        if (moved && parser.Current is { } current)
        {
            lastEnd = Locate(current.End);
            return;
        }

        // After the last event the parser keeps it as the current one, which is what callers look at.
        if (parser.Current is not StreamEnd)
        {
            throw new YamlRefusedException(lastEnd, "InvalidYaml", "The text ends in the middle of the document.",
                "Complete the last key or value.");
        }
    }

    private static YamlRefusedException RefuseAnchor(SourceLocation location) => new(location, "AnchorNotAllowed",
        "Anchors and aliases (& and *) are not allowed in a runbook.",
        "Repeat the value, or put it under 'parameters' or 'defaults'. Quote a text that begins with & or *.");

    private SourceLocation Locate(in Mark mark)
    {
        // At the end of the text the parser may count one line more than there is.
        if (mark.Index < text.Length || text.Length == 0) return new(Math.Max(1, (int)mark.Line), Math.Max(1, (int)mark.Column));
        int lineStart = text.AsSpan().LastIndexOf('\n') + 1;
        return new(text.AsSpan().Count('\n') + 1, text.Length - lineStart + 1);
    }

    private static string Sentence(string message)
    {
        string line = message.ReplaceLineEndings(" ").Trim();
        return line.EndsWith('.') ? line : line + ".";
    }
}
