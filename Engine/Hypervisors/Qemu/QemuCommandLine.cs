using System.Globalization;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Renders a VM's specification as QEMU's arguments (qemu-system(1)). Does no I/O.</summary>
public static class QemuCommandLine
{
    /// <summary>Id of the memory backend; it names the RAM block on the migration stream, so both sides must agree on it.</summary>
    internal const string RamId = "ram";

    internal const string SerialChardevId = "serial0";

    // -daemonize needs fork and setsid, which spawn=deny and elevateprivileges=deny take away before QEMU gets there.
    private const string Sandbox = "on,obsolete=deny,resourcecontrol=deny";

    /// <summary>Renders the arguments after the program's name.</summary>
    /// <param name="specification">A VM of QEMU.</param>
    /// <param name="paths">Where the process keeps its files. The RAM file is to exist, with its full size.</param>
    /// <param name="accelerator">What executes the guest: not <see cref="QemuAccelerator.Auto"/>.</param>
    /// <param name="incoming">Whether QEMU is to wait for a migration and stay paused after it.</param>
    /// <param name="sandbox">Whether this build of QEMU can filter its own system calls.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> where a value cannot be rendered.
    /// </exception>
    public static IReadOnlyList<string> Build(
        VmSpecification specification, QemuInstancePaths paths, QemuAccelerator accelerator, bool incoming, bool sandbox)
    {
        QemuGuest guest = specification.Qemu
            ?? throw new MigrationException(MigrationErrorReason.InvalidArgument, $"'{specification.Name}' is no VM of QEMU.");
        var replaced = QemuArguments.Read(guest.ExtraArguments).Select(argument => argument.Name).ToHashSet();
        string ramId = QemuArguments.Property(guest.MachineType, "memory-backend") ?? RamId;
        List<string> arguments =
        [
            "-name", $"guest={specification.Name},debug-threads=on",
            "-uuid", specification.Id.ToString(),
            "-no-user-config",
            "-machine", ramId == RamId ? $"{guest.MachineType},memory-backend={RamId}" : guest.MachineType,
            "-object",
            $"memory-backend-file,id={Escape(ramId)},share=on,align=2M,size={Invariant(specification.MemoryBytes)}"
                + $",mem-path={Escape(paths.RamFile)}",
            "-display", "none",
        ];
        if (!replaced.Contains("m")) arguments.AddRange("-m", $"{Invariant(specification.MemoryBytes >> 20)}M");
        if (!replaced.Contains("smp")) arguments.AddRange("-smp", Invariant(specification.VcpuCount));
        if (!replaced.Contains("accel")) arguments.AddRange("-accel", AcceleratorName(accelerator));
        if (!replaced.Contains("cpu")) arguments.AddRange("-cpu", CpuModel(accelerator));
        if (!guest.DefaultDevices)
        {
            arguments.Add("-nodefaults");
            if (!replaced.Contains("vga")) arguments.AddRange("-vga", "none");
        }

        if (guest.KernelPath is { } kernel) arguments.AddRange("-kernel", kernel);
        if (guest.InitrdPath is { } initrd) arguments.AddRange("-initrd", initrd);
        if (guest.KernelCommandLine is { } commandLine) arguments.AddRange("-append", commandLine);
        for (int index = 0; index < guest.Disks.Count; index++) arguments.AddRange(Disk(index, guest.Disks[index]));
        if (guest.Network == QemuNetwork.User) arguments.AddRange(UserNetwork);
        if (guest.SerialConsole)
        {
            arguments.AddRange(
                "-chardev", $"file,id={SerialChardevId},path={Escape(paths.SerialLog)},append=on", "-serial", $"chardev:{SerialChardevId}");
        }

        arguments.AddRange(guest.ExtraArguments);
        if (incoming) arguments.AddRange("-S", "-incoming", "defer");
        if (sandbox) arguments.AddRange("-sandbox", Sandbox);

        // A daemon's errors would go to /dev/null. With a log file they go there, but only if some log category is on: 'strace' is one
        // that a system emulator never writes.
        arguments.AddRange("-D", paths.QemuLog, "-d", "strace");
        arguments.AddRange("-qmp", $"unix:{Escape(paths.QmpSocket)},server=on,wait=off", "-pidfile", paths.ProcessIdFile, "-daemonize");
        return arguments;
    }

    /// <summary>The name QEMU gives an accelerator.</summary>
    public static string AcceleratorName(QemuAccelerator accelerator) => accelerator switch
    {
        QemuAccelerator.Kvm => "kvm",
        QemuAccelerator.Tcg => "tcg",
        _ => throw new MigrationException(MigrationErrorReason.InvalidArgument, $"{accelerator} names no accelerator of QEMU."),
    };

    /// <summary>The richest CPU model that an accelerator can run and migrate.</summary>
    internal static string CpuModel(QemuAccelerator accelerator) => accelerator == QemuAccelerator.Kvm ? "host" : "max";

    /// <summary>The arguments of one disk: the file, the format on top of it, the device.</summary>
    internal static string[] Disk(int index, QemuDisk disk)
    {
        if (disk.Format is not ("raw" or "qcow2"))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"'{disk.Format}' is no disk format that is served here ({disk.Path}).",
                "Name 'raw' or 'qcow2', or convert the image with qemu-img.");
        }

        string readOnly = disk.ReadOnly ? ",read-only=on" : "";
        return
        [
            "-blockdev", $"driver=file,node-name=disk{index}-file{readOnly},filename={Escape(disk.Path)}",
            "-blockdev", $"driver={disk.Format},node-name=disk{index}{readOnly},file=disk{index}-file",
            "-device", $"virtio-blk-pci,drive=disk{index},id=disk{index}-device",
        ];
    }

    /// <summary>The arguments of a card behind the user-mode network. Without its boot ROM, which is in a package of its own.</summary>
    internal static readonly string[] UserNetwork =
        ["-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,id=net0-device,romfile="];

    // In an option's value a comma begins the next property and two stand for one.
    internal static string Escape(string value) => value.Replace(",", ",,", StringComparison.Ordinal);

    private static string Invariant(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static void AddRange(this List<string> arguments, params ReadOnlySpan<string> more)
    {
        foreach (string argument in more) arguments.Add(argument);
    }
}
