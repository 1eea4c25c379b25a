using Google.Protobuf.WellKnownTypes;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>What concerns guest memory as messages and back.</summary>
internal static class MemoryMessages
{
    public static Contract.PoisonedPage ToMessage(this PoisonedPage record)
    {
        var message = new Contract.PoisonedPage
        {
            Page = record.Page,
            Source = MessageFields.ToMessage<Contract.PoisonSource>(record.Source),
            Since = Timestamp.FromDateTimeOffset(record.Since),
        };
        if (record.GuestPhysicalAddress is { } address) message.GuestPhysicalAddress = address;
        if (record.OriginalSource is { } source) message.OriginalSource = MessageFields.ToMessage<Contract.PoisonSource>(source);
        return message;
    }

    public static PoisonedPage ToRecord(this Contract.PoisonedPage message) => new(
        message.Page,
        MessageFields.ToEnum<PoisonSource>(message.Source, "PoisonedPage.source"),
        MessageFields.ToTime(message.Since, "PoisonedPage.since"))
    {
        GuestPhysicalAddress = message.HasGuestPhysicalAddress ? message.GuestPhysicalAddress : null,
        OriginalSource = message.HasOriginalSource
            ? MessageFields.ToEnum<PoisonSource>(message.OriginalSource, "PoisonedPage.original_source") : null,
    };

    public static Contract.PoisonedPages ToMessage(this IReadOnlyList<PoisonedPage> records)
    {
        var message = new Contract.PoisonedPages();
        message.Pages.Add(records.Select(page => page.ToMessage()));
        return message;
    }

    public static IReadOnlyList<PoisonedPage> ToRecords(this Contract.PoisonedPages message) =>
        [.. message.Pages.Select(page => page.ToRecord())];

    public static Contract.LargePageCoverage ToMessage(this LargePageCoverage record) =>
        new() { MappedBytes = record.MappedBytes, LargeBytes = record.LargeBytes };

    public static LargePageCoverage ToRecord(this Contract.LargePageCoverage message) => new(message.MappedBytes, message.LargeBytes);

    public static Contract.WriteTraceReport ToMessage(this WriteTraceReport record)
    {
        var message = new Contract.WriteTraceReport
        {
            Mechanism = MessageFields.ToMessage<Contract.WriteTraceMechanism>(record.Mechanism),
            GranularityBytes = record.GranularityBytes,
            Statistics = record.Statistics.ToMessage(),
            FaultDelay = MessageFields.ToMessage(record.FaultDelay),
        };
        if (record.Fallback is not null) message.Fallback = record.Fallback;
        return message;
    }

    public static WriteTraceReport ToRecord(this Contract.WriteTraceReport message) => new(
        MessageFields.ToEnum<WriteTraceMechanism>(message.Mechanism, "WriteTraceReport.mechanism"),
        message.GranularityBytes,
        MessageFields.Required(message.Statistics, "WriteTraceReport.statistics").ToRecord(),
        MessageFields.ToTimeSpan(message.FaultDelay, "WriteTraceReport.fault_delay"),
        message.HasFallback ? message.Fallback : null);

    public static Contract.WriteTraceStatistics ToMessage(this WriteTraceStatistics record) => new()
    {
        Installs = record.Installs,
        InstallTime = MessageFields.ToMessage(record.InstallTime),
        Faults = record.Faults,
        GuestStallTime = MessageFields.ToMessage(record.GuestStallTime),
        MaxFaultDelay = MessageFields.ToMessage(record.MaxFaultDelay),
    };

    public static WriteTraceStatistics ToRecord(this Contract.WriteTraceStatistics message) => new()
    {
        Installs = message.Installs,
        InstallTime = MessageFields.ToTimeSpan(message.InstallTime, "WriteTraceStatistics.install_time"),
        Faults = message.Faults,
        GuestStallTime = MessageFields.ToTimeSpan(message.GuestStallTime, "WriteTraceStatistics.guest_stall_time"),
        MaxFaultDelay = MessageFields.ToTimeSpan(message.MaxFaultDelay, "WriteTraceStatistics.max_fault_delay"),
    };
}
