using System.Management.Automation;
using System.Reflection;
using VmMigration.Engine.Runbooks;

namespace VmMigration.Cmdlets;

/// <summary>The cmdlets of this module as runbooks see them.</summary>
internal static class CmdletCatalog
{
    /// <summary>Runbooks do not run runbooks: a run could start itself without end.</summary>
    private const string RunbookNoun = "MigrationRunbook";

    /// <summary>A job lives in the session that made it, and a step's session ends with the step.</summary>
    private const string JobSwitch = "AsJob";

    /// <summary>The cmdlets by name.</summary>
    public static IReadOnlyDictionary<string, Type> Types { get; } = FindTypes();

    /// <summary>What runbooks may run, with the parameters each takes.</summary>
    public static StepCatalog Catalog { get; } = new(Types.Select(entry => Describe(entry.Key, entry.Value)));

    private static Dictionary<string, Type> FindTypes()
    {
        Dictionary<string, Type> types = new(StringComparer.OrdinalIgnoreCase);
        foreach (Type type in typeof(CmdletCatalog).Assembly.GetExportedTypes())
        {
            if (type.GetCustomAttribute<CmdletAttribute>() is not { } cmdlet) continue;
            if (!cmdlet.NounName.StartsWith(RunbookNoun, StringComparison.Ordinal)) types.Add($"{cmdlet.VerbName}-{cmdlet.NounName}", type);
        }

        return types;
    }

    private static StepCmdlet Describe(string name, Type type)
    {
        PropertyInfo[] properties =
        [
            .. type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
                .Where(property => property.Name != JobSwitch && property.GetCustomAttributes<ParameterAttribute>().Any()),
        ];
        string[] sets =
        [
            .. properties.SelectMany(property => property.GetCustomAttributes<ParameterAttribute>())
                .Select(attribute => attribute.ParameterSetName)
                .Where(set => set != ParameterAttribute.AllParameterSets).Distinct(),
        ];
        return new(name, [.. properties.Select(property => Describe(property, sets))]);
    }

    private static StepParameter Describe(PropertyInfo property, string[] sets)
    {
        Type type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        Type element = type.IsArray ? type.GetElementType()! : type;
        string[] mandatory =
        [
            .. property.GetCustomAttributes<ParameterAttribute>().Where(attribute => attribute.Mandatory)
                .Select(attribute => attribute.ParameterSetName),
        ];
        return new()
        {
            Name = property.Name,
            Type = TypeOf(element),
            IsList = type.IsArray,
            Aliases = [.. property.GetCustomAttribute<AliasAttribute>()?.AliasNames ?? []],
            Choices = element.IsEnum ? Enum.GetNames(element) : [],
            IsMandatory = mandatory.Contains(ParameterAttribute.AllParameterSets) || (sets.Length > 0 && sets.All(mandatory.Contains)),
        };
    }

    private static StepParameterType TypeOf(Type type) => type switch
    {
        { IsEnum: true } => StepParameterType.Choice,
        _ when type == typeof(string) || type == typeof(Guid) => StepParameterType.Text,
        _ when type == typeof(bool) || type == typeof(SwitchParameter) => StepParameterType.Boolean,
        _ when type == typeof(TimeSpan) => StepParameterType.Duration,
        _ when type == typeof(int) || type == typeof(long) || type == typeof(ulong) || type == typeof(uint) => StepParameterType.Integer,
        _ when type == typeof(double) || type == typeof(float) || type == typeof(decimal) => StepParameterType.Number,
        _ => StepParameterType.Any,
    };
}
