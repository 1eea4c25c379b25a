using System.Collections;
using System.Globalization;
using System.Management.Automation;
using System.Reflection;
using System.Text.Json.Nodes;

namespace VmMigration.Runner;

/// <summary>
/// Turns what cmdlets return into JSON: records of this module become objects with the names of their properties, enumerations and
/// durations (<c>00:00:01.2345678</c>) text, and objects of other libraries what they say of themselves.
/// </summary>
internal static class JsonValues
{
    /// <summary>Deepest nesting; below it a value is text.</summary>
    private const int MaxDepth = 8;

    public static JsonNode? Describe(object? value) => Describe(value, 0);

    private static JsonNode? Describe(object? value, int depth) => value switch
    {
        null => null,
        PSObject wrapped => Describe(wrapped.BaseObject, depth),
        string text => text,
        bool flag => flag,
        int number => number,
        long number => number,
        ulong number => number,
        double number => double.IsFinite(number) ? number : number.ToString(CultureInfo.InvariantCulture),
        TimeSpan duration => duration.ToString("c", CultureInfo.InvariantCulture),
        DateTimeOffset moment => moment,
        Guid id => id,
        Enum named => named.ToString(),
        _ when depth >= MaxDepth => value.ToString(),
        IDictionary table => DescribeTable(table, depth),
        IReadOnlyDictionary<string, object?> map => DescribeEntries(map, depth),
        IEnumerable list => new JsonArray([.. list.Cast<object?>().Select(item => Describe(item, depth + 1))]),
        _ when IsOfThisModule(value) => DescribeProperties(value, depth),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture),
    };

    private static bool IsOfThisModule(object value) =>
        value.GetType().Assembly.GetName().Name!.StartsWith("VmMigration.", StringComparison.Ordinal);

    private static JsonObject DescribeTable(IDictionary table, int depth)
    {
        JsonObject result = [];
        foreach (DictionaryEntry entry in table) result[entry.Key.ToString()!] = Describe(entry.Value, depth + 1);
        return result;
    }

    private static JsonObject DescribeEntries(IReadOnlyDictionary<string, object?> map, int depth)
    {
        JsonObject result = [];
        foreach ((string name, object? entry) in map) result[name] = Describe(entry, depth + 1);
        return result;
    }

    private static JsonObject DescribeProperties(object value, int depth)
    {
        JsonObject result = [];
        foreach (PropertyInfo property in value.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (property.GetIndexParameters().Length == 0) result[property.Name] = Describe(property.GetValue(value), depth + 1);
        }

        return result;
    }
}
