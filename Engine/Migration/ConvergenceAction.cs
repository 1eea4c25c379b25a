namespace VmMigration.Engine.Migration;

/// <summary>What to do after a pass.</summary>
internal enum ConvergenceAction
{
    Invalid = 0,

    /// <summary>Run another pass as things are.</summary>
    Continue = 1,

    /// <summary>Hold the guest back, then run another pass.</summary>
    SlowDown = 2,

    /// <summary>Pause the VM and send the rest.</summary>
    SwitchOver = 3,

    /// <summary>Roll back: the guest writes faster than the link carries, within the limits.</summary>
    GiveUp = 4,

    /// <summary>Pause the VM, resume it at the destination and send the rest afterwards.</summary>
    Postcopy = 5,
}
