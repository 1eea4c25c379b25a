namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>How QEMU is to build a guest.</summary>
public sealed record QemuGuest
{
    /// <summary>
    /// Machine type with its properties, as in <c>-machine</c>. A running VM's holds the version too (<c>pc-q35-7.2</c> for <c>q35</c>),
    /// because a destination with another version of QEMU must build the same machine.
    /// </summary>
    public string MachineType { get; init; } = "q35";

    /// <summary>What executes the guest's instructions; <see cref="QemuAccelerator.Auto"/> takes KVM where it really runs.</summary>
    public QemuAccelerator Accelerator { get; init; } = QemuAccelerator.Auto;

    /// <summary>Path of a kernel image to boot directly; null boots from disk.</summary>
    public string? KernelPath { get; init; }

    /// <summary>Path of an initramfs for <see cref="KernelPath"/>.</summary>
    public string? InitrdPath { get; init; }

    /// <summary>Kernel command line for <see cref="KernelPath"/>.</summary>
    public string? KernelCommandLine { get; init; }

    /// <summary>Disks; for a migration without them, on storage both hosts reach under the same path.</summary>
    public IReadOnlyList<QemuDisk> Disks { get; init; } = [];

    /// <summary>The network card's connection.</summary>
    public QemuNetwork Network { get; init; } = QemuNetwork.None;

    /// <summary>Whether the guest has a first serial port; what it prints goes to the VM's serial log.</summary>
    public bool SerialConsole { get; init; } = true;

    /// <summary>
    /// Whether QEMU adds the machine's default devices (graphics, network card, optical drive). Off, as with <c>-nodefaults</c>; on for
    /// an adopted VM that was started without that option.
    /// </summary>
    public bool DefaultDevices { get; init; }

    /// <summary>
    /// Further QEMU arguments, passed on as they are. One of <c>-cpu -smp -m -accel -vga</c> takes the place of the engine's own.
    /// </summary>
    public IReadOnlyList<string> ExtraArguments { get; init; } = [];
}
