using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Migration;

/// <summary>
/// The place a host keeps for a VM that is on its way to it. Settled exactly once, by <see cref="CompleteAsync"/>, by
/// <see cref="RemoveAsync"/>, or by <see cref="BeginPostcopyAsync"/> and later <see cref="EndPostcopyAsync"/>; nothing is cancellable.
/// </summary>
internal interface IIncomingVm
{
    /// <summary>The VM that waits for memory and device state.</summary>
    IVirtualMachine Machine { get; }

    /// <summary>The VM is this host's now, running or paused; the journal says so already.</summary>
    Task CompleteAsync(bool running);

    /// <summary>The VM is this host's now, but part of its memory is not there yet: the migration keeps its hold on it.</summary>
    Task BeginPostcopyAsync(bool running);

    /// <summary>Says with the VM what it waits for; null where it goes on.</summary>
    Task ReportWaitAsync(string? why);

    /// <summary>The VM needs nothing more from its source, because all of its memory is there or because it ended.</summary>
    /// <param name="failure">What is wrong with the VM all the same; null for nothing.</param>
    Task EndPostcopyAsync(string? failure);

    /// <summary>The VM did not arrive: what there is of it is destroyed, and the host forgets it.</summary>
    Task RemoveAsync();
}
