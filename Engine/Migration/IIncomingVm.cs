using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Migration;

/// <summary>The place a host keeps for a VM that is on its way to it. Settled exactly once, by either method; neither is cancellable.</summary>
internal interface IIncomingVm
{
    /// <summary>The VM that waits for memory and device state.</summary>
    IVirtualMachine Machine { get; }

    /// <summary>The VM is this host's now, running or paused; the journal says so already.</summary>
    Task CompleteAsync(bool running);

    /// <summary>The VM did not arrive: what there is of it is destroyed, and the host forgets it.</summary>
    Task RemoveAsync();
}
