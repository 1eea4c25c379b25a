namespace VmMigration.HostAgent;

/// <summary>A capability of Linux that an agent makes use of; none is needed for embedded VMs.</summary>
/// <param name="Name">Its name in capabilities(7).</param>
/// <param name="Number">Its number in linux/capability.h.</param>
/// <param name="For">What the agent does with it.</param>
/// <param name="Without">What holds without it.</param>
internal sealed record AgentCapability(string Name, int Number, string For, string Without)
{
    /// <summary>All of them; the unit file grants the same.</summary>
    public static IReadOnlyList<AgentCapability> All { get; } =
    [
        new("CAP_SYS_PTRACE", Engine.Native.ProcessCapabilities.SysPtrace, "handling page faults of QEMU from outside, and attaching to a QEMU of another user",
            "no post-copy and no write traces in coarse units; a QEMU of another user is not adopted; where kernel.yama.ptrace_scope"
            + " is not 0, QEMU's own migration moves the memory"),
        new("CAP_SYS_ADMIN", 21, "mounting file systems for guests on large pages, and network namespaces for mobility paths",
            "guests on 4 KiB pages, and Direct paths only"),
        new("CAP_NET_ADMIN", 12, "devices, addresses and rules of mobility paths", "Direct paths only"),
        new("CAP_SYS_NICE", 23, "mapping a guest's memory by large pages before it is touched", "the guest maps them as it touches them"),
    ];

    /// <summary>Says whether a set of capabilities holds it, and what that means.</summary>
    public string Describe(ulong effective) => (effective >> Number & 1) != 0
        ? $"{Name}: held; for {For}."
        : $"{Name}: missing; for {For}. Without it: {Without}.";
}
