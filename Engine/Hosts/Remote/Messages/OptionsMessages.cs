using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>Options of migrations as messages and back. What may be absent gets the engine's default.</summary>
internal static class OptionsMessages
{
    private static readonly MigrationOptions defaults = new();

    public static Contract.MigrationOptions ToMessage(this MigrationOptions record)
    {
        var message = new Contract.MigrationOptions
        {
            MaxBytesPerSecond = record.MaxBytesPerSecond,
            Channels = record.Channels,
            DowntimeLimit = MessageFields.ToMessage(record.DowntimeLimit),
            MaxPasses = record.MaxPasses,
            MinVcpuShare = record.MinVcpuShare,
            VerifyMemory = record.VerifyMemory,
            PopulatePageTables = record.PopulatePageTables,
            WriteTraceGranularityBytes = record.WriteTraceGranularityBytes,
            PreserveLargePages = record.PreserveLargePages,
            Postcopy = MessageFields.ToMessage<Contract.PostcopyPolicy>(record.Postcopy),
            ForceHypervisorMigration = record.ForceHypervisorMigration,
            IncludeDisks = record.IncludeDisks,
            DiskCompression = MessageFields.ToMessage<Contract.DiskCompression>(record.DiskCompression),
            RemoveSourceDisks = record.RemoveSourceDisks,
        };
        if (record.DiskDirectory is not null) message.DiskDirectory = record.DiskDirectory;
        return message;
    }

    public static MigrationOptions ToRecord(this Contract.MigrationOptions message) => new()
    {
        MaxBytesPerSecond = message.MaxBytesPerSecond,
        Channels = message.Channels,
        DowntimeLimit = MessageFields.ToOptionalTimeSpan(message.DowntimeLimit, "MigrationOptions.downtime_limit")
            ?? defaults.DowntimeLimit,
        MaxPasses = message.HasMaxPasses ? message.MaxPasses : defaults.MaxPasses,
        MinVcpuShare = message.HasMinVcpuShare ? message.MinVcpuShare : defaults.MinVcpuShare,
        VerifyMemory = message.VerifyMemory,
        PopulatePageTables = message.HasPopulatePageTables ? message.PopulatePageTables : defaults.PopulatePageTables,
        WriteTraceGranularityBytes = message.WriteTraceGranularityBytes,
        PreserveLargePages = message.HasPreserveLargePages ? message.PreserveLargePages : defaults.PreserveLargePages,
        Postcopy = message.Postcopy == Contract.PostcopyPolicy.Unspecified
            ? defaults.Postcopy : MessageFields.ToEnum<PostcopyPolicy>(message.Postcopy, "MigrationOptions.postcopy"),
        ForceHypervisorMigration = message.ForceHypervisorMigration,
        IncludeDisks = message.IncludeDisks,
        DiskDirectory = message.HasDiskDirectory ? message.DiskDirectory : null,
        DiskCompression = DiskMessages.ToCompression(message.DiskCompression, "MigrationOptions.disk_compression"),
        RemoveSourceDisks = message.RemoveSourceDisks,
    };
}
