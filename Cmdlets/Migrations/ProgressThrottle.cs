using System.Diagnostics;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>Lets through about five statuses a second, and every change of state.</summary>
internal sealed class ProgressThrottle
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private long lastTimestamp;
    private Engine.Migration.MigrationState lastState;

    /// <summary>Whether this status is to be shown.</summary>
    public bool Admits(MigrationStatus status)
    {
        bool isDue = status.State != lastState || Stopwatch.GetElapsedTime(lastTimestamp) >= Interval;
        if (!isDue) return false;
        lastState = status.State;
        lastTimestamp = Stopwatch.GetTimestamp();
        return true;
    }
}
