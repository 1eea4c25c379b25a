using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>Results of migrations as messages and back.</summary>
internal static class ResultMessages
{
    public static Contract.MigrationResult ToMessage(this MigrationResult record)
    {
        var message = new Contract.MigrationResult
        {
            TotalTime = MessageFields.ToMessage(record.TotalTime),
            Downtime = MessageFields.ToMessage(record.Downtime),
            DowntimeParts = record.DowntimeParts.ToMessage(),
            Passes = record.Passes,
            BytesSent = record.BytesSent,
            PagesZero = record.PagesZero,
            PagesData = record.PagesData,
            PagesPopulated = record.PagesPopulated,
            PopulationTime = MessageFields.ToMessage(record.PopulationTime),
            MemoryVerified = record.MemoryVerified,
            WriteTraceMechanism = MessageFields.ToMessage<Contract.WriteTraceMechanism>(record.WriteTraceMechanism),
            TraceInstalls = record.TraceInstalls,
            TraceInstallTime = MessageFields.ToMessage(record.TraceInstallTime),
            WriteTraceGranularityBytes = record.WriteTraceGranularityBytes,
            TraceFaults = record.TraceFaults,
            TraceStallTime = MessageFields.ToMessage(record.TraceStallTime),
            MaxFaultDelay = MessageFields.ToMessage(record.MaxFaultDelay),
            PagesUnchanged = record.PagesUnchanged,
            LargePagesAtSource = record.LargePagesAtSource?.ToMessage(),
            LargePagesAtPause = record.LargePagesAtPause?.ToMessage(),
            LargePagesAtDestination = record.LargePagesAtDestination?.ToMessage(),
            Postcopy = record.Postcopy?.ToMessage(),
            MinVcpuShare = record.MinVcpuShare,
            Channels = record.Channels,
            LinkSecurity = MessageFields.ToMessage<Contract.LinkSecurity>(record.LinkSecurity),
            PathKind = MessageFields.ToMessage<Contract.MobilityPathKind>(record.PathKind),
            PathSetup = record.PathSetup is { } pathSetup ? MessageFields.ToMessage(pathSetup) : null,
        };
        if (record.FaultsAfterResume is { } faults) message.FaultsAfterResume = faults;
        if (record.Accelerator is not null) message.Accelerator = record.Accelerator;
        message.PoisonedPages.Add(record.PoisonedPages.Select(page => page.ToMessage()));
        message.Fallbacks.Add(record.Fallbacks);
        message.PassDetails.Add(record.PassDetails.Select(pass => pass.ToMessage()));
        message.Disks.Add(record.Disks.Select(disk => disk.ToMessage()));
        return message;
    }

    public static MigrationResult ToRecord(this Contract.MigrationResult message) => new()
    {
        TotalTime = MessageFields.ToTimeSpan(message.TotalTime, "MigrationResult.total_time"),
        Downtime = MessageFields.ToTimeSpan(message.Downtime, "MigrationResult.downtime"),
        DowntimeParts = MessageFields.Required(message.DowntimeParts, "MigrationResult.downtime_parts").ToRecord(),
        Passes = message.Passes,
        BytesSent = message.BytesSent,
        PagesZero = message.PagesZero,
        PagesData = message.PagesData,
        PagesPopulated = message.PagesPopulated,
        PopulationTime = MessageFields.ToTimeSpan(message.PopulationTime, "MigrationResult.population_time"),
        FaultsAfterResume = message.HasFaultsAfterResume ? message.FaultsAfterResume : null,
        MemoryVerified = message.MemoryVerified,
        WriteTraceMechanism =
            MessageFields.ToEnumOrInvalid<WriteTraceMechanism>(message.WriteTraceMechanism, "MigrationResult.write_trace_mechanism"),
        TraceInstalls = message.TraceInstalls,
        TraceInstallTime = MessageFields.ToTimeSpan(message.TraceInstallTime, "MigrationResult.trace_install_time"),
        WriteTraceGranularityBytes = message.WriteTraceGranularityBytes,
        TraceFaults = message.TraceFaults,
        TraceStallTime = MessageFields.ToTimeSpan(message.TraceStallTime, "MigrationResult.trace_stall_time"),
        MaxFaultDelay = MessageFields.ToTimeSpan(message.MaxFaultDelay, "MigrationResult.max_fault_delay"),
        PagesUnchanged = message.PagesUnchanged,
        LargePagesAtSource = message.LargePagesAtSource?.ToRecord(),
        LargePagesAtPause = message.LargePagesAtPause?.ToRecord(),
        LargePagesAtDestination = message.LargePagesAtDestination?.ToRecord(),
        PoisonedPages = [.. message.PoisonedPages.Select(page => page.ToRecord())],
        Postcopy = message.Postcopy?.ToRecord(),
        MinVcpuShare = message.MinVcpuShare,
        Channels = message.Channels,
        LinkSecurity = MessageFields.ToEnum<LinkSecurity>(message.LinkSecurity, "MigrationResult.link_security"),
        PathKind = MessageFields.ToEnum<MobilityPathKind>(message.PathKind, "MigrationResult.path_kind"),
        PathSetup = MessageFields.ToOptionalTimeSpan(message.PathSetup, "MigrationResult.path_setup"),
        Accelerator = message.HasAccelerator ? message.Accelerator : null,
        Fallbacks = [.. message.Fallbacks],
        PassDetails = [.. message.PassDetails.Select(pass => pass.ToRecord())],
        Disks = [.. message.Disks.Select(disk => disk.ToRecord())],
    };

    public static Contract.DowntimeBreakdown ToMessage(this DowntimeBreakdown record) => new()
    {
        Stop = MessageFields.ToMessage(record.Stop),
        LastPages = MessageFields.ToMessage(record.LastPages),
        DeviceState = MessageFields.ToMessage(record.DeviceState),
        Disks = MessageFields.ToMessage(record.Disks),
        Verify = MessageFields.ToMessage(record.Verify),
        Load = MessageFields.ToMessage(record.Load),
        Commit = MessageFields.ToMessage(record.Commit),
        Resume = MessageFields.ToMessage(record.Resume),
    };

    public static DowntimeBreakdown ToRecord(this Contract.DowntimeBreakdown message) => new()
    {
        Stop = MessageFields.ToTimeSpan(message.Stop, "DowntimeBreakdown.stop"),
        LastPages = MessageFields.ToTimeSpan(message.LastPages, "DowntimeBreakdown.last_pages"),
        DeviceState = MessageFields.ToTimeSpan(message.DeviceState, "DowntimeBreakdown.device_state"),
        Disks = MessageFields.ToOptionalTimeSpan(message.Disks, "DowntimeBreakdown.disks") ?? TimeSpan.Zero,
        Verify = MessageFields.ToTimeSpan(message.Verify, "DowntimeBreakdown.verify"),
        Load = MessageFields.ToTimeSpan(message.Load, "DowntimeBreakdown.load"),
        Commit = MessageFields.ToTimeSpan(message.Commit, "DowntimeBreakdown.commit"),
        Resume = MessageFields.ToTimeSpan(message.Resume, "DowntimeBreakdown.resume"),
    };

    public static Contract.PostcopySummary ToMessage(this PostcopySummary record) => new()
    {
        Pages = record.Pages,
        PagesTouched = record.PagesTouched,
        StallTime = MessageFields.ToMessage(record.StallTime),
        Duration = MessageFields.ToMessage(record.Duration),
        Interruptions = record.Interruptions,
    };

    public static PostcopySummary ToRecord(this Contract.PostcopySummary message) => new(
        message.Pages, message.PagesTouched,
        MessageFields.ToTimeSpan(message.StallTime, "PostcopySummary.stall_time"),
        MessageFields.ToTimeSpan(message.Duration, "PostcopySummary.duration"),
        message.Interruptions);
}
