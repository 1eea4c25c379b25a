namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>How QEMU is to build a guest.</summary>
public sealed record QemuGuest
{
    /// <summary>Machine type, as in <c>-machine</c>.</summary>
    public string MachineType { get; init; } = "q35";

    /// <summary>What executes the guest's instructions; <see cref="QemuAccelerator.Auto"/> takes KVM where it really runs.</summary>
    public QemuAccelerator Accelerator { get; init; } = QemuAccelerator.Auto;

    /// <summary>Path of a kernel image to boot directly; null boots from disk.</summary>
    public string? KernelPath { get; init; }

    /// <summary>Path of an initramfs for <see cref="KernelPath"/>.</summary>
    public string? InitrdPath { get; init; }

    /// <summary>Kernel command line for <see cref="KernelPath"/>.</summary>
    public string? KernelCommandLine { get; init; }

    /// <summary>Disks, on storage both hosts reach under the same path.</summary>
    public IReadOnlyList<QemuDisk> Disks { get; init; } = [];

    /// <summary>The network card's connection.</summary>
    public QemuNetwork Network { get; init; } = QemuNetwork.None;

    /// <summary>Further QEMU arguments, passed on as they are.</summary>
    public IReadOnlyList<string> ExtraArguments { get; init; } = [];
}
