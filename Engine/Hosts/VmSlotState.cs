using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Hosts;

/// <summary>What a host knows of one VM at one moment. Immutable, so that it can be read while an operation is changing it.</summary>
internal sealed record VmSlotState
{
    /// <summary>The VM while it has memory and the engine is attached to it.</summary>
    public IVirtualMachine? Machine { get; init; }

    /// <summary>A process that may still run the VM, though attaching to it failed; <see cref="Failure"/> says how.</summary>
    public UnreachedVm? Unreached { get; init; }

    /// <summary>Whether this host may run the VM.</summary>
    public VmOwnership Ownership { get; init; } = VmOwnership.Owned;

    /// <summary>Whether something else started the VM.</summary>
    public bool Registered { get; init; }

    /// <summary>Whether somebody last asked for its vCPUs to run.</summary>
    public bool MeantToRun { get; init; }

    /// <summary>Why the VM is failed or may not run here; null where neither is so.</summary>
    public string? Failure { get; init; }

    /// <summary>The migration that is moving the VM away or here; null where none is.</summary>
    public Guid? MigrationId { get; init; }

    /// <summary>
    /// Whether that migration is in its post-copy here: the VM is this host's, and part of its memory is still at the other host.
    /// </summary>
    public bool InPostcopy { get; init; }

    /// <summary>Name of the host at the other end of that migration.</summary>
    public string? PeerHostName { get; init; }

    /// <summary>Whether the VM is being ended, so that it no longer answers.</summary>
    public bool Ending { get; init; }

    /// <summary>Whether the guest was asked to shut down and did not follow in time; that it ends later is no failure.</summary>
    public bool ShutdownAsked { get; init; }

    /// <summary>Whether the VM was removed while somebody waited for it.</summary>
    public bool Removed { get; init; }

    /// <summary>Whether the host was closed while somebody waited for the VM.</summary>
    public bool HostClosed { get; init; }
}
