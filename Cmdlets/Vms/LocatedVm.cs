using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>A VM together with the host that answers for it.</summary>
internal sealed record LocatedVm(IMigrationHost Host, VmDescription Vm)
{
    public Guid Id => Vm.Specification.Id;

    public string Name => Vm.Specification.Name;

    /// <summary>How confirmation prompts and errors call it.</summary>
    public string Title => $"{Name} on {Host.Name}";
}
