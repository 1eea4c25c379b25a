using System.Globalization;
using Spectre.Console;
using VmMigration.Cmdlets;

namespace VmMigration.Runner;

/// <summary>Shows what migrations did and cost: one in full, several in a line each.</summary>
internal static class ResultTable
{
    public static void Write(IAnsiConsole console, IReadOnlyList<VmMigrationOperation> migrations)
    {
        if (migrations.Count == 0) return;
        console.Write(migrations is [var single] ? MakeDetails(single) : MakeSummary(migrations));
    }

    private static Table MakeDetails(VmMigrationOperation migration)
    {
        VmMigrationResult result = migration.Result!;
        Table table = new Table().AddColumn(Markup.Escape(migration.VmName))
            .AddColumn(Markup.Escape($"{migration.SourceHostName} → {migration.DestinationHostName}"), column => column.RightAligned());
        void Add(string name, string value) => table.AddRow(Markup.Escape(name), Markup.Escape(value));
        Add("Total time", Time(result.TotalTime));
        Add("Downtime", Time(result.Downtime));
        foreach ((string part, TimeSpan time) in PartsOf(result.DowntimeParts)) Add($"  {part}", Time(time));
        Add("Passes", Count(result.Passes));
        Add("Pages sent as zero", Count(result.PagesZero));
        Add("Pages sent with data", Count(result.PagesData));
        Add("Pages populated", Count(result.PagesPopulated));
        Add("Bytes sent", Size(result.BytesSent));
        Add("Throughput", $"{Size(result.BytesSent / Math.Max(result.TotalTime.TotalSeconds, 1e-6))}/s");
        Add("Faults after resume", result.FaultsAfterResume is { } faults ? Count(faults) : "none: the VM has no process of its own");
        Add("MemoryVerified", result.MemoryVerified ? "true" : "false");
        Add("Pages unchanged", Count(result.PagesUnchanged));
        Add("Poisoned pages", Count(result.PoisonedPages.Count));
        Add("Write trace", result.WriteTraceMechanism?.ToString() ?? "none");
        if (result.WriteTraceGranularityBytes > 0) AddTrace(Add, result);
        if (result.LargePagesAtSource is not null || result.LargePagesAtDestination is not null) AddLargePages(Add, result);
        if (result.Postcopy is { } postcopy) AddPostcopy(Add, postcopy);
        foreach (VmDiskResult disk in result.Disks) AddDisk(Add, disk);
        Add("Least vCPU share", result.MinVcpuShare.ToString("P0", CultureInfo.InvariantCulture));
        Add("Channels", Count(result.Channels));
        Add("Link", result.LinkSecurity == LinkSecurity.Tls ? "TLS 1.3" : "plain text");
        Add("Path", result.PathSetup is { } setup ? $"{result.PathKind}, made in {Time(setup)}" : result.PathKind.ToString());
        Add("Accelerator", result.Accelerator ?? "unknown");
        Add("Fallbacks", result.Fallbacks.Count == 0 ? "none" : string.Join('\n', result.Fallbacks));
        return table;
    }

    private static void AddTrace(Action<string, string> add, VmMigrationResult result)
    {
        add("  unit", Size(result.WriteTraceGranularityBytes));
        add("  armed", $"{Count(result.TraceInstalls)} times in {Time(result.TraceInstallTime)}");
        add("  faults", $"{Count(result.TraceFaults)}, the guest waited {Time(result.TraceStallTime)}");
        add("  longest delay", Time(result.MaxFaultDelay));
    }

    private static void AddLargePages(Action<string, string> add, VmMigrationResult result)
    {
        static string Share(LargePageCoverage? coverage) => coverage?.Share.ToString("P1", CultureInfo.InvariantCulture) ?? "unknown";
        add("Large pages at the source", Share(result.LargePagesAtSource));
        add("  at the pause", Share(result.LargePagesAtPause));
        add("  at the destination", Share(result.LargePagesAtDestination));
    }

    private static void AddPostcopy(Action<string, string> add, PostcopySummary postcopy)
    {
        add("Post-copy", $"{Count(postcopy.Pages)} pages in {Time(postcopy.Duration)}");
        add("  waited for", $"{Count(postcopy.PagesTouched)}, the guest stood {Time(postcopy.StallTime)}");
        add("  interruptions", Count(postcopy.Interruptions));
    }

    private static void AddDisk(Action<string, string> add, VmDiskResult disk)
    {
        add($"Disk {disk.Name}", disk.DestinationPath);
        add("  size", Size(disk.SizeBytes));
        add("  copied", $"{Size(disk.BytesSent)} in {Time(disk.CopyTime)}");
        add("  there before", Size(disk.BytesResumed));
        add("  mirrored", $"{Size(disk.BytesMirrored)} in {Time(disk.MirrorTime)}");
    }

    private static Table MakeSummary(IReadOnlyList<VmMigrationOperation> migrations)
    {
        Table table = new Table().AddColumns("VM", "From → to", "Total", "Downtime", "Passes", "Sent", "MemoryVerified");
        foreach (VmMigrationOperation migration in migrations)
        {
            VmMigrationResult result = migration.Result!;
            string[] cells =
            [
                migration.VmName, $"{migration.SourceHostName} → {migration.DestinationHostName}", Time(result.TotalTime),
                Time(result.Downtime), Count(result.Passes), Size(result.BytesSent), result.MemoryVerified ? "true" : "false",
            ];
            table.AddRow([.. cells.Select(Markup.Escape)]);
        }

        return table;
    }

    private static (string Part, TimeSpan Time)[] PartsOf(DowntimeParts parts) =>
    [
        ("stop", parts.Stop), ("last pages", parts.LastPages), ("device state", parts.DeviceState), ("disks", parts.Disks), ("verify", parts.Verify),
        ("load", parts.Load), ("commit", parts.Commit), ("resume", parts.Resume),
    ];

    private static string Time(TimeSpan time) => time.TotalSeconds < 1
        ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:F1} ms")
        : string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:F2} s");

    private static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    private static string Size(double bytes) => bytes switch
    {
        >= 1L << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1L << 30):F2} GiB"),
        >= 1L << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1L << 20):F1} MiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1L << 10):F1} KiB"),
    };
}
