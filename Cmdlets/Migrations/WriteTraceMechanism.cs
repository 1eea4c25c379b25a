namespace VmMigration.Cmdlets;

/// <summary>How writes to guest memory are noticed.</summary>
public enum WriteTraceMechanism
{
    /// <summary>The embedded hypervisor marks what its vCPUs write.</summary>
    Software = 1,

    /// <summary>userfaultfd write protection in asynchronous mode, collected with PAGEMAP_SCAN (ioctl_userfaultfd(2)).</summary>
    AsyncWriteProtect = 2,

    /// <summary>QEMU's own dirty log, behind QEMU's own migration.</summary>
    QemuDirtyLog = 3,

    /// <summary>userfaultfd write protection whose faults an engine thread handles: the first write lifts a whole region.</summary>
    SyncWriteProtect = 4,

    /// <summary>
    /// Both: coarse regions handled by the engine where one fault of theirs is cheaper than those of the pages written, single pages by the
    /// kernel elsewhere.
    /// </summary>
    AdaptiveWriteProtect = 5,
}
