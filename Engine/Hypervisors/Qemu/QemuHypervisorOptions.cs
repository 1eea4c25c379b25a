using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>How QEMU is run on this machine.</summary>
public sealed record QemuHypervisorOptions
{
    /// <summary>
    /// Where each VM gets a directory for its sockets and logs, below <c>vms</c>. It belongs to one engine at a time; the path is short
    /// enough for a unix socket (some 70 bytes).
    /// </summary>
    public required string StateDirectory { get; init; }

    /// <summary>
    /// Directory of a memory file system (tmpfs or hugetlbfs) for the RAM files of guests on 4 KiB pages. May be shared with other engines.
    /// For guests on large pages a file system is mounted below <see cref="StateDirectory"/>.
    /// </summary>
    public string RamDirectory { get; init; } = "/dev/shm";

    /// <summary>What the kernel and the rights of this account give; null has it tried once, when it is first asked for.</summary>
    public KernelFeatures? Features { get; init; }

    /// <summary>Path of the system emulator; null looks for it on the path.</summary>
    public string? ProgramPath { get; init; }
}
