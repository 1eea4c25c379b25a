namespace VmMigration.Cmdlets;

/// <summary>Where a host is.</summary>
public enum HostKind
{
    /// <summary>On this machine, run by this process.</summary>
    Local = 1,

    /// <summary>Behind an agent, on this machine or another: it stays when this process ends.</summary>
    Agent = 2,
}
