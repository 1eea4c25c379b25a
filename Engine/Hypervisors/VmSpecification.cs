using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Hypervisors.Qemu;

namespace VmMigration.Engine.Hypervisors;

/// <summary>Everything needed to make a VM, here or on the destination of a migration. Serializable.</summary>
public sealed record VmSpecification
{
    /// <summary>Identity that follows the VM across hosts.</summary>
    public Guid Id { get; init; } = Guid.NewGuid();

    /// <summary>Name, unique on a host: 1 to 64 of <c>A-Z a-z 0-9 . _ -</c>, starting with a letter or digit.</summary>
    public required string Name { get; init; }

    /// <summary>RAM in bytes; a multiple of 2 MiB.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Which pages the RAM is on. Where a host cannot give them the VM gets 4 KiB pages, and its capabilities say why.</summary>
    public MemoryBacking Backing { get; init; } = MemoryBacking.BasePages;

    /// <summary>Number of virtual CPUs, 1 to 64.</summary>
    public int VcpuCount { get; init; } = 1;

    /// <summary>The guest of the embedded hypervisor; null for QEMU.</summary>
    public EmbeddedGuest? Embedded { get; init; }

    /// <summary>The guest of QEMU; null for the embedded hypervisor.</summary>
    public QemuGuest? Qemu { get; init; }

    /// <summary>Which hypervisor the specification is for.</summary>
    public HypervisorKind Hypervisor => (Embedded, Qemu) switch
    {
        (not null, null) => HypervisorKind.Embedded,
        (null, not null) => HypervisorKind.Qemu,
        _ => HypervisorKind.Invalid,
    };
}
