using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Hosts;

/// <summary>A snapshot of one VM as its host knows it. Serializable.</summary>
public sealed record VmDescription
{
    /// <summary>What the VM was made from, with its id and name.</summary>
    public required VmSpecification Specification { get; init; }

    /// <summary>The host it is on.</summary>
    public required string HostName { get; init; }

    /// <summary>What it is doing.</summary>
    public required VmState State { get; init; }

    /// <summary>What identifies it on its machine; null while it is stopped.</summary>
    public VmInstance? Instance { get; init; }

    /// <summary>What the engine can do with it; null while it is stopped.</summary>
    public VmCapabilities? Capabilities { get; init; }

    /// <summary>Why it is <see cref="VmState.Failed"/>, or why this host may not run it; null where neither is so.</summary>
    public string? FailureMessage { get; init; }

    /// <summary>Id of the migration that is moving it; null where none is.</summary>
    public Guid? MigrationId { get; init; }
}
