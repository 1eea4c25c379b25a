using System.Globalization;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// Reads the command line of a QEMU that something else started back into a specification from which a destination can build the same
/// machine: what the engine sets itself is left out, what it does not know is kept as it is. Does no I/O.
/// </summary>
public static class QemuCommandLineReader
{
    // What the engine sets for every process of its own, or what only belongs to the process that was started.
    private static readonly HashSet<string> Owned =
    [
        "qmp", "qmp-pretty", "monitor", "mon", "pidfile", "daemonize", "S", "incoming", "loadvm", "name", "uuid", "D", "d", "sandbox",
        "display", "nographic", "curses", "sdl", "vnc", "no-user-config", "nodefaults", "mem-path", "mem-prealloc", "kernel", "initrd",
        "append", "machine", "M", "enable-kvm", "serial",
    ];

    /// <summary>Reads the arguments after the program's name.</summary>
    /// <param name="arguments">The arguments, as in proc_pid_cmdline(5).</param>
    /// <param name="ramBlockName">Name of the RAM block where the command line names no memory backend.</param>
    /// <returns>
    /// A specification with the name, id, memory and vCPUs that the command line gives; id empty, name empty, or memory 0 where it
    /// gives none.
    /// </returns>
    public static VmSpecification Read(IReadOnlyList<string> arguments, string ramBlockName = "pc.ram")
    {
        List<QemuArgument> options = QemuArguments.Read(arguments);
        (string machine, string? machineAccelerator, string? memoryBackend) = ReadMachine(options);
        string ramId = memoryBackend ?? ramBlockName;
        QemuAccelerator accelerator = ReadAccelerator(options, machineAccelerator);
        string? memory = Last(options, "m");
        string? smp = Last(options, "smp");
        string? name = Last(options, "name");
        bool defaults = !options.Exists(option => option.Name == "nodefaults");

        List<QemuDisk> disks = TakeDisks(options);
        bool userNetwork = TakeExact(options, QemuCommandLine.UserNetwork);
        List<QemuArgument> extra = KeepUnknown(options, ramId, accelerator);

        // What goes without saying on that command line would go otherwise on the engine's.
        if (!options.Exists(option => option.Name == "cpu")) extra.Insert(0, new("cpu", "qemu64"));
        return new VmSpecification
        {
            Id = Guid.TryParse(Last(options, "uuid"), out Guid id) ? id : Guid.Empty,
            Name = name is null ? "" : QemuArguments.Property(name, "guest") ?? QemuArguments.Properties(name)[0].Value,
            MemoryBytes = memory is null ? 0 : ReadMemory(memory),
            VcpuCount = smp is null ? 1 : ReadVcpus(smp),
            Qemu = new QemuGuest
            {
                MachineType = ramId == QemuCommandLine.RamId ? machine : $"{machine},memory-backend={QemuCommandLine.Escape(ramId)}",
                Accelerator = accelerator,
                KernelPath = Last(options, "kernel"),
                InitrdPath = Last(options, "initrd"),
                KernelCommandLine = Last(options, "append"),
                Disks = disks,
                Network = userNetwork ? QemuNetwork.User : QemuNetwork.None,
                SerialConsole = Last(options, "serial") is { } serial ? serial != "none" : defaults,
                DefaultDevices = defaults,
                ExtraArguments = [.. extra.SelectMany(option => option.Render())],
            },
        };
    }

    private static List<QemuArgument> KeepUnknown(List<QemuArgument> options, string ramId, QemuAccelerator accelerator)
    {
        // A second process must not take over the sockets and files behind monitors and the serial port.
        HashSet<string> ownedChardevs = [];
        foreach (QemuArgument option in options)
        {
            if (option is not { Name: "mon" or "qmp" or "monitor" or "serial", Value: { } value }) continue;
            if (ChardevOf(value) is { } id) ownedChardevs.Add(id);
        }

        return options.FindAll(option => option switch
        {
            { Name: "chardev", Value: { } value } => QemuArguments.Property(value, "id") is not { } id || !ownedChardevs.Contains(id),
            { Name: "object", Value: { } value } => !IsRamBackend(value, ramId),
            { Name: "accel", Value: { } value } => value.Contains(',', StringComparison.Ordinal),
            { Name: "cpu", Value: { } value } => value != QemuCommandLine.CpuModel(accelerator),
            { Name: "smp", Value: { } value } => !int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out _),
            { Name: "m", Value: { } value } => value.Contains(',', StringComparison.Ordinal),
            { Name: "vga", Value: "none" } => options.TrueForAll(other => other.Name != "nodefaults"),
            _ => !Owned.Contains(option.Name),
        });
    }

    private static string? ChardevOf(string value)
    {
        if (value.StartsWith("chardev:", StringComparison.Ordinal)) return value["chardev:".Length..];
        return QemuArguments.Property(value, "chardev") ?? QemuArguments.Properties(value)[0] switch
        {
            (null, { } first) => first,
            _ => null,
        };
    }

    private static bool IsRamBackend(string value, string ramId) =>
        value.StartsWith("memory-backend-", StringComparison.Ordinal) && QemuArguments.Property(value, "id") == ramId;

    private static (string Machine, string? Accelerator, string? MemoryBackend) ReadMachine(List<QemuArgument> options)
    {
        string type = "pc";
        string? accelerator = null;
        string? memoryBackend = null;
        List<(string? Key, string Value)> kept = [];
        foreach (QemuArgument option in options.Where(option => option is { Name: "machine" or "M", Value: not null }))
        {
            foreach ((string? key, string value) in QemuArguments.Properties(option.Value!))
            {
                if (key is null or "type") type = value;
                else if (key == "accel") accelerator = value;
                else if (key == "memory-backend") memoryBackend = value;
                else kept.Add((key, value));
            }
        }

        return (QemuArguments.Join(kept.Prepend((null, type))), accelerator, memoryBackend);
    }

    private static QemuAccelerator ReadAccelerator(List<QemuArgument> options, string? machineAccelerator)
    {
        string name = options.Find(option => option.Name == "accel")?.Value ?? machineAccelerator ?? "tcg";
        bool kvm = name.StartsWith("kvm", StringComparison.Ordinal) || options.Exists(option => option.Name == "enable-kvm");
        return kvm ? QemuAccelerator.Kvm : QemuAccelerator.Tcg;
    }

    private static List<QemuDisk> TakeDisks(List<QemuArgument> options)
    {
        List<QemuDisk> disks = [];
        while (true)
        {
            int index = disks.Count;
            string? file = FindNode(options, $"disk{index}-file");
            string? format = FindNode(options, $"disk{index}");
            if (file is null || format is null || QemuArguments.Property(file, "filename") is not { } path) return disks;
            var disk = new QemuDisk(
                path, QemuArguments.Property(format, "driver") ?? "", QemuArguments.Property(file, "read-only") == "on");
            if (disk.Format is not ("raw" or "qcow2") || !TakeExact(options, QemuCommandLine.Disk(index, disk))) return disks;
            disks.Add(disk);
        }
    }

    private static string? FindNode(List<QemuArgument> options, string nodeName) => options
        .Find(option => option is { Name: "blockdev", Value: { } value } && QemuArguments.Property(value, "node-name") == nodeName)?.Value;

    /// <summary>Takes options out of the list if all of them are in it, just as the engine writes them.</summary>
    private static bool TakeExact(List<QemuArgument> options, IReadOnlyList<string> arguments)
    {
        List<QemuArgument> wanted = QemuArguments.Read(arguments);
        if (!wanted.TrueForAll(options.Contains)) return false;
        foreach (QemuArgument option in wanted) options.Remove(option);
        return true;
    }

    private static long ReadMemory(string value)
    {
        string size = QemuArguments.Property(value, "size") ?? QemuArguments.Properties(value)[0].Value;
        int digits = size.AsSpan().IndexOfAnyExceptInRange('0', '9');
        string number = digits < 0 ? size : size[..digits];
        int shift = digits < 0 ? 20 : char.ToUpperInvariant(size[digits]) switch
        {
            'B' => 0, 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => -1,
        };
        if (shift < 0 || !long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long count)
            || count > long.MaxValue >> shift)
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument, $"'-m {value}' gives no memory size that is understood.");
        }

        return count << shift;
    }

    private static int ReadVcpus(string value)
    {
        var properties = QemuArguments.Properties(value);
        string? count = QemuArguments.Property(value, "cpus") ?? properties.Find(property => property.Key is null).Value;
        if (count is not null && int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out int cpus)) return cpus;
        return properties
            .Where(property => property.Key is "sockets" or "dies" or "clusters" or "cores" or "threads")
            .Aggregate(1, (product, property) => product * int.Parse(property.Value, NumberStyles.None, CultureInfo.InvariantCulture));
    }

    private static string? Last(List<QemuArgument> options, string name) => options.FindLast(option => option.Name == name)?.Value;
}
