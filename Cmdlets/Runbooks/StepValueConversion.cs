using System.Collections;
using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Carries values between runbooks and PowerShell.</summary>
internal static class StepValueConversion
{
    /// <summary>Maps become hashtables and lists arrays, which is what PowerShell's binder takes.</summary>
    public static object? ToPowerShell(object? value)
    {
        if (value is IReadOnlyDictionary<string, object?> map)
        {
            var table = new Hashtable(StringComparer.OrdinalIgnoreCase);
            foreach ((string name, object? entry) in map) table[name] = ToPowerShell(entry);
            return table;
        }

        return value is List<object?> list ? list.Select(ToPowerShell).ToArray() : value;
    }

    /// <summary>Takes plain values out of their wrapper, so that expressions can compare them; objects keep it.</summary>
    public static object? FromPowerShell(object? value)
    {
        if (value is not PSObject wrapped) return value;
        object inner = wrapped.BaseObject;
        return inner is string or ValueType or IList ? inner : wrapped;
    }

    /// <summary>Reads a property of an object, or an entry of a hashtable.</summary>
    public static bool TryGetProperty(object source, string name, out object? value)
    {
        object inner = source is PSObject wrapped ? wrapped.BaseObject : source;
        if (inner is IDictionary table && table.Contains(name))
        {
            value = FromPowerShell(table[name]);
            return true;
        }

        PSPropertyInfo? property = PSObject.AsPSObject(source).Properties[name];
        value = FromPowerShell(property?.Value);
        return property is not null;
    }
}
