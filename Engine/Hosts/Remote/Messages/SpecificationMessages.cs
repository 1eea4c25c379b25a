using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Hypervisors.Qemu;

namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>Specifications of VMs as messages and back. What may be absent gets the engine's default.</summary>
internal static class SpecificationMessages
{
    private static readonly QemuGuest qemuDefaults = new();

    public static Contract.VmSpecification ToMessage(this VmSpecification record)
    {
        var message = new Contract.VmSpecification
        {
            Id = record.Id.ToString(),
            Name = record.Name,
            MemoryBytes = record.MemoryBytes,
            Backing = MessageFields.ToMessage<Contract.MemoryBacking>(record.Backing),
            VcpuCount = record.VcpuCount,
        };
        switch (record.Embedded, record.Qemu)
        {
            case ({ } embedded, null):
                message.Embedded = embedded.ToMessage();
                break;
            case (null, { } qemu):
                message.Qemu = qemu.ToMessage();
                break;
            default:
                throw new MigrationException(MigrationErrorReason.InvalidArgument,
                    $"The specification of '{record.Name}' names {(record.Qemu is null ? "no guest" : "a guest for either hypervisor")}.",
                    "Give a guest for exactly one hypervisor.");
        }

        return message;
    }

    public static VmSpecification ToRecord(this Contract.VmSpecification message) => new()
    {
        Id = MessageFields.ToGuid(message.Id, "VmSpecification.id"),
        Name = message.Name,
        MemoryBytes = message.MemoryBytes,
        Backing = message.Backing == Contract.MemoryBacking.Unspecified
            ? MemoryBacking.BasePages : MessageFields.ToEnum<MemoryBacking>(message.Backing, "VmSpecification.backing"),
        VcpuCount = message.HasVcpuCount ? message.VcpuCount : 1,
        Embedded = message.Embedded?.ToRecord(),
        Qemu = message.Qemu?.ToRecord(),
    };

    public static Contract.EmbeddedGuest ToMessage(this EmbeddedGuest record) => new()
    {
        Program = MessageFields.ToMessage<Contract.GuestProgramKind>(record.Program),
        Seed = record.Seed,
        WorkingSetBytes = record.WorkingSetBytes,
        StepsPerSecond = record.StepsPerSecond,
        HaltAfterSteps = record.HaltAfterSteps,
        WriteTraceGranularityBytes = record.WriteTraceGranularityBytes,
        TraceArmingVcpus = record.TraceArmingVcpus,
        TraceFaultTime = MessageFields.ToMessage(record.TraceFaultTime),
    };

    public static EmbeddedGuest ToRecord(this Contract.EmbeddedGuest message) => new()
    {
        Program = MessageFields.ToEnum<GuestProgramKind>(message.Program, "EmbeddedGuest.program"),
        Seed = message.HasSeed ? message.Seed : 1,
        WorkingSetBytes = message.WorkingSetBytes,
        StepsPerSecond = message.StepsPerSecond,
        HaltAfterSteps = message.HaltAfterSteps,
        WriteTraceGranularityBytes = message.WriteTraceGranularityBytes,
        TraceArmingVcpus = message.TraceArmingVcpus,
        TraceFaultTime = MessageFields.ToOptionalTimeSpan(message.TraceFaultTime, "EmbeddedGuest.trace_fault_time") ?? TimeSpan.Zero,
    };

    public static Contract.QemuGuest ToMessage(this QemuGuest record)
    {
        var message = new Contract.QemuGuest
        {
            MachineType = record.MachineType,
            Accelerator = MessageFields.ToMessage<Contract.QemuAccelerator>(record.Accelerator),
            Network = MessageFields.ToMessage<Contract.QemuNetwork>(record.Network),
            SerialConsole = record.SerialConsole,
            DefaultDevices = record.DefaultDevices,
        };
        if (record.KernelPath is not null) message.KernelPath = record.KernelPath;
        if (record.InitrdPath is not null) message.InitrdPath = record.InitrdPath;
        if (record.KernelCommandLine is not null) message.KernelCommandLine = record.KernelCommandLine;
        message.Disks.Add(record.Disks.Select(disk => disk.ToMessage()));
        message.ExtraArguments.Add(record.ExtraArguments);
        return message;
    }

    public static QemuGuest ToRecord(this Contract.QemuGuest message) => new()
    {
        MachineType = message.HasMachineType ? message.MachineType : qemuDefaults.MachineType,
        Accelerator = message.Accelerator == Contract.QemuAccelerator.Unspecified
            ? qemuDefaults.Accelerator : MessageFields.ToEnum<QemuAccelerator>(message.Accelerator, "QemuGuest.accelerator"),
        KernelPath = message.HasKernelPath ? message.KernelPath : null,
        InitrdPath = message.HasInitrdPath ? message.InitrdPath : null,
        KernelCommandLine = message.HasKernelCommandLine ? message.KernelCommandLine : null,
        Disks = [.. message.Disks.Select(disk => disk.ToRecord())],
        Network = message.Network == Contract.QemuNetwork.Unspecified
            ? qemuDefaults.Network : MessageFields.ToEnum<QemuNetwork>(message.Network, "QemuGuest.network"),
        SerialConsole = message.HasSerialConsole ? message.SerialConsole : qemuDefaults.SerialConsole,
        DefaultDevices = message.DefaultDevices,
        ExtraArguments = [.. message.ExtraArguments],
    };

    public static Contract.QemuDisk ToMessage(this QemuDisk record)
    {
        var message = new Contract.QemuDisk
        {
            Path = record.Path, Format = record.Format, ReadOnly = record.ReadOnly, Base = record.Base?.ToMessage(),
        };
        if (record.MergedOverlay is not null) message.MergedOverlay = record.MergedOverlay;
        return message;
    }

    public static QemuDisk ToRecord(this Contract.QemuDisk message) => new(message.Path)
    {
        Format = message.HasFormat ? message.Format : "raw",
        ReadOnly = message.ReadOnly,
        Base = message.Base?.ToRecord(),
        MergedOverlay = message.HasMergedOverlay ? message.MergedOverlay : null,
    };

    public static Contract.QemuDiskBase ToMessage(this QemuDiskBase record) =>
        new() { Path = record.Path, Format = record.Format, MergePending = record.MergePending };

    public static QemuDiskBase ToRecord(this Contract.QemuDiskBase message) => new(
        MessageFields.RequiredText(message.Path, "QemuDiskBase.path"), MessageFields.RequiredText(message.Format, "QemuDiskBase.format"),
        message.MergePending);
}
