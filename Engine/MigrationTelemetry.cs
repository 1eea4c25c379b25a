using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace VmMigration.Engine;

/// <summary>
/// The names under which the engine measures and traces, for whoever collects it (System.Diagnostics.Metrics, System.Diagnostics.Activity).
/// The instruments are <see cref="Migration.MigrationMetrics"/>; the activities are one <c>migrate VM</c> for each migration a host drives, with
/// a child for each of its phases.
/// </summary>
public static class MigrationTelemetry
{
    /// <summary>Name of the meter and of the activity source.</summary>
    public const string Name = "VmMigration";

    private static readonly string? version = typeof(MigrationTelemetry).Assembly.GetName().Version?.ToString(3);

    internal static Meter Meter { get; } = new(Name, version);

    internal static ActivitySource Activities { get; } = new(Name, version);
}
