using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Migration;

/// <summary>
/// The engine's instruments. Names and units follow the conventions of OpenTelemetry; no attribute holds a name or id, so that the number of
/// series does not grow with the number of VMs. The rates are sums over the migrations under way whose source is a host of this process.
/// </summary>
internal static class MigrationMetrics
{
    private static readonly ConcurrentDictionary<MigrationTelemetryFeed, MigrationProgress> underWay = new();

    private static readonly Counter<long> migrations = MigrationTelemetry.Meter.CreateCounter<long>(
        "vm_migration.migrations", "{migration}", "Migrations that ended, by outcome.");

    private static readonly Counter<long> sentBytes = MigrationTelemetry.Meter.CreateCounter<long>(
        "vm_migration.sent", "By", "Bytes of guest memory and its description put on the wire.");

    private static readonly Histogram<int> passes = MigrationTelemetry.Meter.CreateHistogram(
        "vm_migration.passes", "{pass}", "Passes over memory of completed migrations.",
        advice: new InstrumentAdvice<int> { HistogramBucketBoundaries = [1, 2, 3, 4, 5, 7, 10, 15, 20, 30] });

    private static readonly Histogram<double> downtime = MigrationTelemetry.Meter.CreateHistogram(
        "vm_migration.downtime", "s", "Time between the last instruction at the source and the first at the destination.",
        advice: new InstrumentAdvice<double>
        {
            HistogramBucketBoundaries = [0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30],
        });

    private static readonly Histogram<double> duration = MigrationTelemetry.Meter.CreateHistogram(
        "vm_migration.duration", "s", "Time from the request of a migration to its end, by outcome.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600] });

    private static readonly Histogram<double> pathSetup = MigrationTelemetry.Meter.CreateHistogram(
        "vm_migration.path.setup", "s", "Time a host took to make its end of a mobility path, by kind.",
        advice: new InstrumentAdvice<double>
        {
            HistogramBucketBoundaries = [0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1, 5],
        });

    static MigrationMetrics()
    {
        MigrationTelemetry.Meter.CreateObservableUpDownCounter(
            "vm_migration.active", () => underWay.Count, "{migration}", "Migrations under way.");
        MigrationTelemetry.Meter.CreateObservableGauge(
            "vm_migration.throughput", () => underWay.Values.Sum(progress => progress.BytesPerSecond), "By/s",
            "How fast migrations under way send of late.");
        MigrationTelemetry.Meter.CreateObservableGauge(
            "vm_migration.dirty_rate", () => underWay.Values.Sum(progress => progress.DirtyBytesPerSecond), "By/s",
            "How fast the guests of migrations under way wrote during their last passes.");
    }

    /// <summary>Has the instruments made, so that they are seen before there is anything to count.</summary>
    public static void Publish() => System.Runtime.CompilerServices.RuntimeHelpers.RunClassConstructor(typeof(MigrationMetrics).TypeHandle);

    /// <summary>Counts what went out since the last time and keeps the rates.</summary>
    public static void Report(MigrationTelemetryFeed migration, MigrationProgress progress, long newBytes)
    {
        underWay[migration] = progress;
        if (newBytes > 0) sentBytes.Add(newBytes);
    }

    /// <summary>Counts a migration that ended.</summary>
    public static void End(MigrationTelemetryFeed migration, MigrationStatus status)
    {
        Forget(migration);
        var outcome = KeyValuePair.Create<string, object?>("outcome", OutcomeOf(status.State));
        var tags = new TagList { outcome };
        if (status.ErrorReason != MigrationErrorReason.Invalid) tags.Add("error.type", status.ErrorReason.ToString());
        migrations.Add(1, tags);
        duration.Record(((status.EndedAt ?? status.StartedAt) - status.StartedAt).TotalSeconds, outcome);
        if (status.Result is not { } result) return;
        downtime.Record(result.Downtime.TotalSeconds);
        passes.Record(result.Passes);
    }

    /// <summary>Leaves a migration out of the sums.</summary>
    public static void Forget(MigrationTelemetryFeed migration) => underWay.TryRemove(migration, out _);

    /// <summary>Records what a host took to make its end of a path.</summary>
    public static void RecordPathSetup(MobilityPathKind kind, TimeSpan time) =>
        pathSetup.Record(time.TotalSeconds, KeyValuePair.Create<string, object?>("kind", kind.ToString()));

    private static string OutcomeOf(MigrationState state) => state switch
    {
        MigrationState.Completed => "completed",
        MigrationState.RolledBack => "rolled_back",
        _ => "undecided",
    };
}
