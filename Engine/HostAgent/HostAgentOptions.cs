using Serilog.Events;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;

namespace VmMigration.HostAgent;

/// <summary>How an agent is set up; <c>agent.example.json</c> shows the same as a file, with the default of every key.</summary>
public sealed record HostAgentOptions
{
    /// <summary>The longest a stop may be given.</summary>
    internal static readonly TimeSpan MaxStopLimit = TimeSpan.FromHours(1);

    /// <summary>The host that the agent opens and serves. It needs a state directory: VMs are to be found again after a restart.</summary>
    public required LocalHostOptions Host { get; init; }

    /// <summary>Where and by whom the host is controlled.</summary>
    public required ControlOptions Control { get; init; }

    /// <summary>
    /// How long a stop waits for what is under way: migrations that are not committed are rolled back, committed ones end, and disks that
    /// have not arrived whole become fragments. What has not ended then is cut off as by a crash, and decided from the journal at the next
    /// start.
    /// </summary>
    public TimeSpan StopLimit { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Where metrics can be read; null means nowhere.</summary>
    public MetricsOptions? Metrics { get; init; }

    /// <summary>What of its events goes to the console, from this level on.</summary>
    public LogEventLevel ConsoleLogLevel { get; init; } = LogEventLevel.Information;

    /// <summary>What of its events goes to the host's log file, from this level on.</summary>
    public LogEventLevel FileLogLevel { get; init; } = LogEventLevel.Debug;

    /// <summary>Refuses options that contradict one another or leave something out. The files they name are looked at when it starts.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/>, with one line for each thing wrong.</exception>
    public void Validate()
    {
        List<string> problems = [.. Control.FindProblems(), .. Metrics?.FindProblems() ?? []];
        if (Host.StateDirectory is null) problems.Add("'stateDirectory' is missing: without it no VM would be found again after a restart.");
        if (StopLimit <= TimeSpan.Zero || StopLimit > MaxStopLimit) problems.Add($"'stopLimit' is {StopLimit}, which is not within an hour.");
        if (Host.FragmentAgeLimit <= TimeSpan.Zero) problems.Add($"'disks.fragmentAgeLimit' is {Host.FragmentAgeLimit}, which keeps nothing.");
        if (Host.FragmentBytesLimit < 0) problems.Add($"'disks.fragmentBytesLimit' is {Host.FragmentBytesLimit}, which is no size.");
        if (problems.Count == 0) return;
        throw new MigrationException(MigrationErrorReason.InvalidArgument, string.Join(Environment.NewLine, problems),
            "Mend the configuration; agent.example.json explains every key.");
    }
}
