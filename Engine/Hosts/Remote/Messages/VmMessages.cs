using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>Descriptions of VMs as messages and back.</summary>
internal static class VmMessages
{
    public static Contract.VmDescription ToMessage(this VmDescription record)
    {
        var message = new Contract.VmDescription
        {
            Specification = record.Specification.ToMessage(),
            HostName = record.HostName,
            State = MessageFields.ToMessage<Contract.VmState>(record.State),
            Instance = record.Instance?.ToMessage(),
            Capabilities = record.Capabilities?.ToMessage(),
        };
        if (record.FailureMessage is not null) message.FailureMessage = record.FailureMessage;
        if (record.MigrationId is { } migrationId) message.MigrationId = migrationId.ToString();
        return message;
    }

    public static VmDescription ToRecord(this Contract.VmDescription message) => new()
    {
        Specification = MessageFields.Required(message.Specification, "VmDescription.specification").ToRecord(),
        HostName = MessageFields.RequiredText(message.HostName, "VmDescription.host_name"),
        State = MessageFields.ToEnum<VmState>(message.State, "VmDescription.state"),
        Instance = message.Instance?.ToRecord(),
        Capabilities = message.Capabilities?.ToRecord(),
        FailureMessage = message.HasFailureMessage ? message.FailureMessage : null,
        MigrationId = message.HasMigrationId ? MessageFields.ToGuid(message.MigrationId, "VmDescription.migration_id") : null,
    };

    public static Contract.VmInstance ToMessage(this VmInstance record)
    {
        var message = new Contract.VmInstance();
        if (record.ProcessId is { } processId) message.ProcessId = processId;
        if (record.QmpSocketPath is not null) message.QmpSocketPath = record.QmpSocketPath;
        if (record.RamFilePath is not null) message.RamFilePath = record.RamFilePath;
        if (record.SerialLogPath is not null) message.SerialLogPath = record.SerialLogPath;
        if (record.Accelerator is not null) message.Accelerator = record.Accelerator;
        return message;
    }

    public static VmInstance ToRecord(this Contract.VmInstance message) => new()
    {
        ProcessId = message.HasProcessId ? message.ProcessId : null,
        QmpSocketPath = message.HasQmpSocketPath ? message.QmpSocketPath : null,
        RamFilePath = message.HasRamFilePath ? message.RamFilePath : null,
        SerialLogPath = message.HasSerialLogPath ? message.SerialLogPath : null,
        Accelerator = message.HasAccelerator ? message.Accelerator : null,
    };

    public static Contract.VmCapabilities ToMessage(this VmCapabilities record)
    {
        var message = new Contract.VmCapabilities();
        if (record.EngineMigrationRefused is not null) message.EngineMigrationRefused = record.EngineMigrationRefused;
        if (record.PopulationRefused is not null) message.PopulationRefused = record.PopulationRefused;
        if (record.ThrottleRefused is not null) message.ThrottleRefused = record.ThrottleRefused;
        if (record.CoarseTraceRefused is not null) message.CoarseTraceRefused = record.CoarseTraceRefused;
        if (record.PoisonRefused is not null) message.PoisonRefused = record.PoisonRefused;
        if (record.LargePagesRefused is not null) message.LargePagesRefused = record.LargePagesRefused;
        if (record.PostcopyRefused is not null) message.PostcopyRefused = record.PostcopyRefused;
        if (record.PoisonFallback is not null) message.PoisonFallback = record.PoisonFallback;
        return message;
    }

    public static VmCapabilities ToRecord(this Contract.VmCapabilities message) => new(
        EngineMigrationRefused: message.HasEngineMigrationRefused ? message.EngineMigrationRefused : null,
        PopulationRefused: message.HasPopulationRefused ? message.PopulationRefused : null,
        ThrottleRefused: message.HasThrottleRefused ? message.ThrottleRefused : null,
        CoarseTraceRefused: message.HasCoarseTraceRefused ? message.CoarseTraceRefused : null,
        PoisonRefused: message.HasPoisonRefused ? message.PoisonRefused : null,
        LargePagesRefused: message.HasLargePagesRefused ? message.LargePagesRefused : null,
        PostcopyRefused: message.HasPostcopyRefused ? message.PostcopyRefused : null,
        PoisonFallback: message.HasPoisonFallback ? message.PoisonFallback : null);

    public static Contract.RegisterVmRequest ToMessage(this VmRegistration record)
    {
        var message = new Contract.RegisterVmRequest { QmpSocketPath = record.QmpSocketPath };
        if (record.Name is not null) message.Name = record.Name;
        return message;
    }

    public static VmRegistration ToRecord(this Contract.RegisterVmRequest message) => new(
        message.HasName ? message.Name : null,
        MessageFields.RequiredText(message.QmpSocketPath, "RegisterVmRequest.qmp_socket_path"));
}
