namespace VmMigration.Engine.Paths;

/// <summary>How a mobility path keeps an operation's traffic apart.</summary>
public enum MobilityPathKind
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>Not at all: the hosts' ordinary network.</summary>
    Direct = 1,

    /// <summary>
    /// A network namespace on either host, joined by VXLAN, with unique-local IPv6 addresses (RFC 4193): sockets inside see virtual
    /// addresses only.
    /// </summary>
    Overlay = 2,

    /// <summary>A gateway whose kernel rewrites virtual addresses (nftables): neither host sees the other's physical address.</summary>
    Nat = 3,
}
