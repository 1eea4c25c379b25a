using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace VmMigration.HelpWriter;

/// <summary>The documentation comments of an assembly as plain text.</summary>
internal sealed partial class DocumentationComments
{
    private readonly Dictionary<string, XElement> members;
    private readonly SortedSet<string> missing = [];

    private DocumentationComments(Dictionary<string, XElement> members) => this.members = members;

    /// <summary>What was asked for and not found.</summary>
    public IReadOnlyCollection<string> Missing => missing;

    public static DocumentationComments Load(string path) => new(XDocument.Load(path).Descendants("member")
        .ToDictionary(member => member.Attribute("name")!.Value));

    /// <summary>The summary of a cmdlet's class.</summary>
    public string Summary(Type type) => Required($"T:{type.FullName}");

    /// <summary>The summary of a parameter's property, wherever it is declared.</summary>
    public string Summary(PropertyInfo property) => Required($"P:{property.DeclaringType!.FullName}.{property.Name}");

    /// <summary>The remarks of a class; null where it has none.</summary>
    public string? Remarks(Type type) =>
        members.GetValueOrDefault($"T:{type.FullName}")?.Element("remarks") is { } remarks ? PlainText(remarks) : null;

    /// <summary>The examples of a class: code and what it does.</summary>
    public IEnumerable<(string Code, string Text)> Examples(Type type) =>
        from example in members.GetValueOrDefault($"T:{type.FullName}")?.Elements("example") ?? []
        select (example.Element("code")?.Value.Trim() ?? "", example.Element("para") is { } text ? PlainText(text) : "");

    private string Required(string name)
    {
        if (members.GetValueOrDefault(name)?.Element("summary") is { } summary) return PlainText(summary);
        missing.Add(name);
        return "";
    }

    private static string PlainText(XElement element)
    {
        string text = string.Concat(element.DescendantNodes().Select(node => node switch
        {
            XText plain => plain.Value,
            XElement { Name.LocalName: "see" or "paramref" } reference => LastPart(reference),
            _ => "",
        }));
        return WhiteSpace().Replace(text, " ").Trim();
    }

    private static string LastPart(XElement reference) =>
        (reference.Attribute("cref") ?? reference.Attribute("langword") ?? reference.Attribute("name"))?.Value.Split('.', ':')[^1] ?? "";

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();
}
