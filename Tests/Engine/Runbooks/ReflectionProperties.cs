using System.Reflection;
using VmMigration.Engine.Runbooks;

namespace VmMigration.Engine.Tests.Runbooks;

/// <summary>Reads the public properties of plain objects.</summary>
internal sealed class ReflectionProperties : IPropertyReader
{
    public bool TryGetProperty(object source, string name, out object? value)
    {
        PropertyInfo? property = source.GetType().GetProperty(name, BindingFlags.Public | BindingFlags.Instance | BindingFlags.IgnoreCase);
        value = property?.GetValue(source);
        return property is not null;
    }
}
