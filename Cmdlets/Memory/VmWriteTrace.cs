using System.Globalization;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>How the writes of one VM are traced while it migrates, or were when it did last.</summary>
public sealed record VmWriteTrace
{
    /// <summary>The VM.</summary>
    public required Guid VmId { get; init; }

    /// <summary>Its name.</summary>
    public required string VmName { get; init; }

    /// <summary>The host it leaves or left.</summary>
    public required string SourceHostName { get; init; }

    /// <summary>The migration the trace is for.</summary>
    public required Guid MigrationId { get; init; }

    /// <summary>Where the migration stood.</summary>
    public required MigrationState State { get; init; }

    /// <summary>How writes are noticed; null before the trace is armed, and where none had to be noticed.</summary>
    public WriteTraceMechanism? Mechanism { get; init; }

    /// <summary>
    /// Unit in which writes are traced, in bytes; the smallest one where it differs over memory; 0 where the hypervisor traces by itself.
    /// </summary>
    public int GranularityBytes { get; init; }

    /// <summary>How often traces were armed, first time included.</summary>
    public long Installs { get; init; }

    /// <summary>Time engine threads spent in arming.</summary>
    public TimeSpan InstallTime { get; init; }

    /// <summary>First writes to traced memory: each interrupted a vCPU once.</summary>
    public long Faults { get; init; }

    /// <summary>Time vCPUs waited for those, delays included, added up.</summary>
    public TimeSpan StallTime { get; init; }

    /// <summary>How long a first write is held back at present, to slow the guest down; zero once the migration has ended.</summary>
    public TimeSpan FaultDelay { get; init; }

    /// <summary>The longest delay so far.</summary>
    public TimeSpan MaxFaultDelay { get; init; }

    /// <summary>How fast the guest wrote during the last pass; 0 before it is known.</summary>
    public double DirtyBytesPerSecond { get; init; }

    /// <summary>Why not what was asked for is used, in a sentence; null where it is.</summary>
    public string? Fallback { get; init; }

    /// <summary>The passes so far, with the bytes that were written during each.</summary>
    public IReadOnlyList<MigrationPass> Passes { get; init; } = [];

    /// <summary>The main facts in one line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{VmName}: {Mechanism?.ToString() ?? "none"}, {GranularityBytes} bytes, {Faults} faults, "
        + $"{StallTime.TotalMilliseconds:F1} ms of stall");

    internal static VmWriteTrace From(MigrationStatus status)
    {
        var trace = new VmWriteTrace
        {
            VmId = status.VmId,
            VmName = status.VmName,
            SourceHostName = status.SourceHostName,
            MigrationId = status.Id,
            State = (MigrationState)status.State,
            DirtyBytesPerSecond = status.Progress.DirtyBytesPerSecond,
            Fallback = status.Progress.WriteTrace?.Fallback,
            Passes = [.. (status.Result?.PassDetails ?? status.Progress.Passes).Select(MigrationPass.From)],
        };
        return (status.Result, status.Progress.WriteTrace) switch
        {
            ({ } result, _) => trace.With(result),
            (_, { } report) => trace.With(report, status.HasEnded),
            _ => trace,
        };
    }

    private VmWriteTrace With(MigrationResult result) => this with
    {
        Mechanism = result.WriteTraceMechanism == 0 ? null : (WriteTraceMechanism)result.WriteTraceMechanism,
        GranularityBytes = result.WriteTraceGranularityBytes,
        Installs = result.TraceInstalls,
        InstallTime = result.TraceInstallTime,
        Faults = result.TraceFaults,
        StallTime = result.TraceStallTime,
        MaxFaultDelay = result.MaxFaultDelay,
    };

    private VmWriteTrace With(WriteTraceReport report, bool hasEnded) => this with
    {
        Mechanism = (WriteTraceMechanism)report.Mechanism,
        GranularityBytes = report.GranularityBytes,
        Installs = report.Statistics.Installs,
        InstallTime = report.Statistics.InstallTime,
        Faults = report.Statistics.Faults,
        StallTime = report.Statistics.GuestStallTime,
        FaultDelay = hasEnded ? TimeSpan.Zero : report.FaultDelay,
        MaxFaultDelay = report.Statistics.MaxFaultDelay,
    };
}
