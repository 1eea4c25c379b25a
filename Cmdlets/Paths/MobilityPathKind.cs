namespace VmMigration.Cmdlets;

/// <summary>How a mobility path keeps an operation's traffic apart.</summary>
public enum MobilityPathKind
{
    /// <summary>Not at all: the hosts' ordinary network.</summary>
    Direct = 1,

    /// <summary>A network namespace on either host, joined by VXLAN: connections inside see virtual addresses only.</summary>
    Overlay = 2,

    /// <summary>A gateway whose kernel rewrites virtual addresses: neither host sees the other's physical address.</summary>
    Nat = 3,
}
