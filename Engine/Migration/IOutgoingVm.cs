using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;

namespace VmMigration.Engine.Migration;

/// <summary>A migration's hold on a VM that is to leave its host. Settled exactly once, by one of the methods; none is cancellable.</summary>
internal interface IOutgoingVm
{
    /// <summary>The VM, running or paused.</summary>
    IVirtualMachine Machine { get; }

    /// <summary>
    /// Held by whoever pauses and resumes the VM, or relies on its doing neither. The migration holds it except while it copies memory of
    /// the running VM; it is never waited for by somebody who holds the VM's own lock.
    /// </summary>
    AsyncLock RunState { get; }

    /// <summary>Changes and records what the VM's specification says of its disks: what it is started from next.</summary>
    /// <exception cref="MigrationException">Where it could not be recorded; nothing has changed then.</exception>
    Task SpecifyDisksAsync(IReadOnlyList<QemuDisk> disks);

    /// <summary>The migration rolled back: the VM is an ordinary VM of its host again.</summary>
    Task ReturnAsync();

    /// <summary>The VM runs at the destination: what is left of it here is destroyed, and the host forgets it.</summary>
    Task RemoveAsync();

    /// <summary>Nobody can tell who owns the VM: its paused copy is kept and not run.</summary>
    Task KeepUndecidedAsync(string why);
}
