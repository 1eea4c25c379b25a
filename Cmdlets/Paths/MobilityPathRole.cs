namespace VmMigration.Cmdlets;

/// <summary>What a host is to a mobility path.</summary>
public enum MobilityPathRole
{
    /// <summary>The host that connects.</summary>
    Source = 1,

    /// <summary>The host that is connected to.</summary>
    Destination = 2,

    /// <summary>The host between them, whose kernel rewrites the addresses.</summary>
    Gateway = 3,
}
