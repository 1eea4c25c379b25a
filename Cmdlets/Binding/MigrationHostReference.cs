namespace VmMigration.Cmdlets;

/// <summary>A host argument: PowerShell makes it from a name or from a <see cref="MigrationHost"/>.</summary>
public sealed class MigrationHostReference
{
    /// <param name="name">Name of a host of this session; case does not matter.</param>
    public MigrationHostReference(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        Name = name;
    }

    /// <param name="host">A host object; it stands for the host of its name.</param>
    public MigrationHostReference(MigrationHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        Name = host.Name;
    }

    /// <summary>Name of the host.</summary>
    public string Name { get; }

    /// <summary>The host's name.</summary>
    public override string ToString() => Name;
}
