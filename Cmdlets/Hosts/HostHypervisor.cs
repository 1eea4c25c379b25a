namespace VmMigration.Cmdlets;

/// <summary>One hypervisor of a host.</summary>
/// <param name="Hypervisor">Which one.</param>
/// <param name="Obstacle">Why VMs of this kind cannot run there and what to install; null where they can.</param>
public sealed record HostHypervisor(HypervisorKind Hypervisor, string? Obstacle)
{
    /// <summary>Whether VMs of this kind can run there.</summary>
    public bool IsAvailable => Obstacle is null;

    /// <summary>The hypervisor's name.</summary>
    public override string ToString() => Hypervisor.ToString();
}
