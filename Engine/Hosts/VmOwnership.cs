namespace VmMigration.Engine.Hosts;

/// <summary>Whether this host may run a VM. The numbers are on disk and never change.</summary>
internal enum VmOwnership
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>The VM is this host's, which may run it.</summary>
    Owned = 1,

    /// <summary>The VM is on its way here; it belongs to the source.</summary>
    Incoming = 2,

    /// <summary>This host gave the VM away and keeps a paused copy until the other side has said that it runs.</summary>
    GivenAway = 3,

    /// <summary>This host has a copy and cannot know whether it owns the VM, so it must not run it.</summary>
    Undecided = 4,
}
