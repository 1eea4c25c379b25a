using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>A snapshot of a VM as its host knows it.</summary>
public sealed record MigrationVm
{
    /// <summary>Identity that follows the VM across hosts.</summary>
    public required Guid Id { get; init; }

    /// <summary>Name, unique on a host.</summary>
    public required string Name { get; init; }

    /// <summary>The host it was on.</summary>
    public required string HostName { get; init; }

    /// <summary>What it was doing.</summary>
    public required VmState State { get; init; }

    /// <summary>What runs it.</summary>
    public required HypervisorKind Hypervisor { get; init; }

    /// <summary>RAM in bytes.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Pages the RAM was asked to be on.</summary>
    public MemoryBacking MemoryBacking { get; init; }

    /// <summary>Number of virtual CPUs.</summary>
    public required int VcpuCount { get; init; }

    /// <summary>Program of an embedded guest; null for QEMU.</summary>
    public GuestProgramKind? Program { get; init; }

    /// <summary>Process id; null while the VM is stopped or where it has no process of its own.</summary>
    public int? ProcessId { get; init; }

    /// <summary>What executes the guest's instructions; null while the VM is stopped.</summary>
    public string? Accelerator { get; init; }

    /// <summary>File the serial console writes to; null where there is none.</summary>
    public string? SerialLogPath { get; init; }

    /// <summary>File that backs the guest's RAM; null where there is none.</summary>
    public string? RamFilePath { get; init; }

    /// <summary>QMP unix socket; null where there is none.</summary>
    public string? QmpSocketPath { get; init; }

    /// <summary>Why the engine cannot move the memory itself and the hypervisor's own migration is used; null where it can.</summary>
    public string? EngineMigrationRefused { get; init; }

    /// <summary>Why page tables cannot be populated ahead of the resume; null where they can.</summary>
    public string? PopulationRefused { get; init; }

    /// <summary>Why the vCPUs cannot be slowed down; null where they can.</summary>
    public string? ThrottleRefused { get; init; }

    /// <summary>Why writes cannot be traced in units coarser than a page; null where they can.</summary>
    public string? CoarseTraceRefused { get; init; }

    /// <summary>Why a page cannot be made to fail as after a memory error; null where it can.</summary>
    public string? PoisonRefused { get; init; }

    /// <summary>In which lesser way a page is made to fail, and why; null where it fails as after a memory error.</summary>
    public string? PoisonFallback { get; init; }

    /// <summary>Why its memory is not on large pages, or why they cannot be kept; null where neither is so.</summary>
    public string? LargePagesRefused { get; init; }

    /// <summary>Why it cannot resume at another host before all of its memory is there; null where it can.</summary>
    public string? PostcopyRefused { get; init; }

    /// <summary>Id of the migration that is moving it; null where none is.</summary>
    public Guid? MigrationId { get; init; }

    /// <summary>The VM's name, so that the object can stand where a name is expected.</summary>
    public override string ToString() => Name;

    internal static MigrationVm From(VmDescription vm) => new()
    {
        Id = vm.Specification.Id,
        Name = vm.Specification.Name,
        HostName = vm.HostName,
        State = (VmState)vm.State,
        Hypervisor = (HypervisorKind)vm.Specification.Hypervisor,
        MemoryBytes = vm.Specification.MemoryBytes,
        MemoryBacking = (MemoryBacking)vm.Specification.Backing,
        VcpuCount = vm.Specification.VcpuCount,
        Program = (GuestProgramKind?)vm.Specification.Embedded?.Program,
        ProcessId = vm.Instance?.ProcessId,
        Accelerator = vm.Instance?.Accelerator,
        SerialLogPath = vm.Instance?.SerialLogPath,
        RamFilePath = vm.Instance?.RamFilePath,
        QmpSocketPath = vm.Instance?.QmpSocketPath,
        EngineMigrationRefused = vm.Capabilities?.EngineMigrationRefused,
        PopulationRefused = vm.Capabilities?.PopulationRefused,
        ThrottleRefused = vm.Capabilities?.ThrottleRefused,
        CoarseTraceRefused = vm.Capabilities?.CoarseTraceRefused,
        PoisonRefused = vm.Capabilities?.PoisonRefused,
        PoisonFallback = vm.Capabilities?.PoisonFallback,
        LargePagesRefused = vm.Capabilities?.LargePagesRefused,
        PostcopyRefused = vm.Capabilities?.PostcopyRefused,
        MigrationId = vm.MigrationId,
    };
}
