using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>A VM together with the host that answers for it.</summary>
internal sealed record LocatedVm(IMigrationHost Host, VmDescription Vm)
{
    public Guid Id => Vm.Specification.Id;

    public string Name => Vm.Specification.Name;

    /// <summary>Whether it has memory to look at.</summary>
    public bool HasMemory => Vm.State is not (Engine.Hypervisors.VmState.Stopped or Engine.Hypervisors.VmState.Failed);

    /// <summary>How confirmation prompts and errors call it.</summary>
    public string Title => $"{Name} on {Host.Name}";
}
