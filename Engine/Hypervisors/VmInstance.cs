namespace VmMigration.Engine.Hypervisors;

/// <summary>
/// What identifies a running VM on its machine, so that a restarted engine finds it again. Embedded VMs live and die with the
/// engine's process and have none of it.
/// </summary>
public sealed record VmInstance
{
    /// <summary>Process id of the VM's process.</summary>
    public int? ProcessId { get; init; }

    /// <summary>Path of the QMP unix socket.</summary>
    public string? QmpSocketPath { get; init; }

    /// <summary>Path of the file that backs the guest's RAM.</summary>
    public string? RamFilePath { get; init; }

    /// <summary>Path of the file the serial console writes to.</summary>
    public string? SerialLogPath { get; init; }

    /// <summary>What executes the guest's instructions, for example <c>kvm</c>, <c>tcg</c> or <c>embedded</c>.</summary>
    public string? Accelerator { get; init; }
}
