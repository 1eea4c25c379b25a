namespace VmMigration.Cmdlets;

/// <summary>Where a host is.</summary>
public enum HostKind
{
    /// <summary>On this machine, run by this process.</summary>
    Local = 1,
}
