using System.Globalization;
using System.Management.Automation;
using System.Reflection;
using System.Xml.Linq;

namespace VmMigration.HelpWriter;

/// <summary>
/// PowerShell's help format. It is written whole: as soon as a cmdlet has help of its own, PowerShell no longer makes up the syntax and
/// the parameters that are not in it.
/// </summary>
internal static class MamlDocument
{
    private static readonly XNamespace Maml = "http://schemas.microsoft.com/maml/2004/10";
    private static readonly XNamespace Command = "http://schemas.microsoft.com/maml/dev/command/2004/10";
    private static readonly XNamespace Dev = "http://schemas.microsoft.com/maml/dev/2004/10";
    private static readonly XNamespace Root = "http://msh";

    public static XDocument Create(IEnumerable<CmdletInfo> cmdlets, DocumentationComments comments) => new(
        new XElement(Root + "helpItems", new XAttribute("schema", "maml"), cmdlets.Select(cmdlet => DescribeCmdlet(cmdlet, comments))));

    private static XElement DescribeCmdlet(CmdletInfo cmdlet, DocumentationComments comments)
    {
        Type type = cmdlet.ImplementingType;
        string synopsis = comments.Summary(type);
        object defaults = Activator.CreateInstance(type)!;
        return new(Command + "command",
            new XAttribute(XNamespace.Xmlns + "maml", Maml.NamespaceName),
            new XAttribute(XNamespace.Xmlns + "command", Command.NamespaceName),
            new XAttribute(XNamespace.Xmlns + "dev", Dev.NamespaceName),
            new XElement(Command + "details",
                new XElement(Command + "name", cmdlet.Name),
                new XElement(Command + "verb", cmdlet.Verb),
                new XElement(Command + "noun", cmdlet.Noun),
                Paragraphs(synopsis)),
            Paragraphs(string.Join(' ', new[] { synopsis, comments.Remarks(type) }.OfType<string>())),
            new XElement(Command + "syntax", cmdlet.ParameterSets.Select(set => new XElement(Command + "syntaxItem",
                new XElement(Maml + "name", cmdlet.Name),
                Own(set.Parameters)
                    .OrderBy(parameter => parameter.Position < 0 ? int.MaxValue : parameter.Position)
                    .ThenBy(parameter => !parameter.IsMandatory)
                    .Select(parameter => DescribeParameter(parameter, type, defaults, comments))))),
            new XElement(Command + "parameters", cmdlet.ParameterSets
                .SelectMany(set => Own(set.Parameters))
                .GroupBy(parameter => parameter.Name)
                .OrderBy(uses => uses.Key, StringComparer.Ordinal)
                .Select(uses => DescribeParameter(uses.First(), type, defaults, comments))),
            new XElement(Command + "inputTypes", cmdlet.ParameterSets
                .SelectMany(set => Own(set.Parameters))
                .Where(parameter => parameter.ValueFromPipeline)
                .Select(parameter => NameOf(parameter.ParameterType))
                .Distinct()
                .Select(name => new XElement(Command + "inputType", new XElement(Dev + "type", new XElement(Maml + "name", name))))),
            new XElement(Command + "returnValues", cmdlet.OutputType.Select(output =>
                new XElement(Command + "returnValue", new XElement(Dev + "type", new XElement(Maml + "name", output.Name))))),
            new XElement(Command + "examples", comments.Examples(type).Select((example, index) => new XElement(Command + "example",
                new XElement(Maml + "title", string.Create(CultureInfo.InvariantCulture, $"-------- Example {index + 1} --------")),
                new XElement(Dev + "code", example.Code),
                new XElement(Dev + "remarks", new XElement(Maml + "para", example.Text))))));
    }

    private static IEnumerable<CommandParameterInfo> Own(IEnumerable<CommandParameterInfo> parameters) =>
        parameters.Where(parameter => !Cmdlet.CommonParameters.Contains(parameter.Name));

    private static XElement DescribeParameter(CommandParameterInfo parameter, Type cmdlet, object defaults, DocumentationComments comments)
    {
        PropertyInfo? property = cmdlet.GetProperty(parameter.Name);
        string text = parameter.Name switch
        {
            "WhatIf" => "Says what would be done, and does nothing.",
            "Confirm" => "Asks before doing anything.",
            _ => comments.Summary(property!),
        };
        var element = new XElement(Command + "parameter",
            new XAttribute("required", parameter.IsMandatory ? "true" : "false"),
            new XAttribute("globbing", parameter.Attributes.OfType<SupportsWildcardsAttribute>().Any() ? "true" : "false"),
            new XAttribute("pipelineInput", PipelineInput(parameter)),
            new XAttribute("position", parameter.Position < 0 ? "named" : parameter.Position.ToString(CultureInfo.InvariantCulture)),
            new XAttribute("aliases", parameter.Aliases.Count == 0 ? "none" : string.Join(", ", parameter.Aliases)),
            new XElement(Maml + "name", parameter.Name),
            Paragraphs(text));
        if (parameter.ParameterType != typeof(SwitchParameter))
        {
            element.Add(new XElement(Command + "parameterValue", new XAttribute("required", "true"), NameOf(parameter.ParameterType)));
        }

        element.Add(new XElement(Dev + "type", new XElement(Maml + "name", NameOf(parameter.ParameterType))));
        if (DefaultOf(property, defaults) is { } value) element.Add(new XElement(Dev + "defaultValue", value));
        return element;
    }

    private static string PipelineInput(CommandParameterInfo parameter) =>
        (parameter.ValueFromPipeline, parameter.ValueFromPipelineByPropertyName) switch
        {
            (true, true) => "True (ByValue, ByPropertyName)",
            (true, false) => "True (ByValue)",
            (false, true) => "True (ByPropertyName)",
            _ => "False",
        };

    private static string? DefaultOf(PropertyInfo? property, object defaults) => property?.GetValue(defaults) switch
    {
        null or SwitchParameter or "" => null,
        Array { Length: 0 } => null,
        Array values => string.Join(", ", values.Cast<object>()),
        var value => Convert.ToString(value, CultureInfo.InvariantCulture),
    };

    private static string NameOf(Type type)
    {
        if (type.IsArray) return NameOf(type.GetElementType()!) + "[]";
        return (Nullable.GetUnderlyingType(type) ?? type).Name;
    }

    private static XElement Paragraphs(string text) => new(Maml + "description", new XElement(Maml + "para", text));
}
