using System.Diagnostics;

namespace VmMigration.Cmdlets;

/// <summary>Lets through about five reports a second, and every change of state.</summary>
internal sealed class ProgressThrottle
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private long lastTimestamp;
    private Enum? lastState;

    /// <summary>Whether this report is to be shown.</summary>
    public bool Admits(OperationReport report)
    {
        bool isDue = !Equals(report.State, lastState) || Stopwatch.GetElapsedTime(lastTimestamp) >= Interval;
        if (!isDue) return false;
        lastState = report.State;
        lastTimestamp = Stopwatch.GetTimestamp();
        return true;
    }
}
