namespace VmMigration.Engine.Runbooks;

/// <summary>Reads properties of the objects that cmdlets return, whose type only the caller of the engine knows.</summary>
public interface IPropertyReader
{
    /// <summary>Reads a property by its name, without regard to case.</summary>
    /// <returns>Whether there is such a property.</returns>
    bool TryGetProperty(object source, string name, out object? value);
}
