namespace VmMigration.Engine.Migration;

/// <summary>Which end of a migration a host is.</summary>
public enum MigrationRole
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>The VM leaves this host.</summary>
    Source = 1,

    /// <summary>The VM arrives at this host.</summary>
    Destination = 2,
}
