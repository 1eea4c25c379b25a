using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Hosts;

/// <summary>What the journal keeps of one VM.</summary>
internal sealed record JournaledVm
{
    /// <summary>What the VM is made from.</summary>
    public required VmSpecification Specification { get; init; }

    /// <summary>
    /// The same with what the hypervisor chose when it started the VM (a machine version, an accelerator); null while it has no process.
    /// </summary>
    public VmSpecification? RunningSpecification { get; init; }

    /// <summary>What identifies it on the machine; null while it has no process.</summary>
    public VmInstance? Instance { get; init; }

    /// <summary>Whether this host may run it.</summary>
    public VmOwnership Ownership { get; init; } = VmOwnership.Owned;

    /// <summary>Whether something else started it: the host can neither start it again nor removes what it leaves behind.</summary>
    public bool Registered { get; init; }

    /// <summary>Whether its vCPUs were meant to run when somebody last asked: tells a pause by an administrator from one by a switchover.</summary>
    public bool MeantToRun { get; init; }
}
