namespace VmMigration.Cmdlets;

/// <summary>One thing Test-MobilityPath looked at.</summary>
/// <param name="Kind">The kind of path.</param>
/// <param name="SourceHostName">The host that connects.</param>
/// <param name="DestinationHostName">The host that is connected to.</param>
/// <param name="Check">What was looked at: RoundTrip for a path that is there, else the name of a prerequisite.</param>
/// <param name="Passed">Whether it is as it should be.</param>
/// <param name="Message">What was found.</param>
public sealed record MobilityPathCheck(
    MobilityPathKind Kind, string SourceHostName, string DestinationHostName, string Check, bool Passed, string Message)
{
    /// <summary>Time from the source to the destination and back over the path; null where nothing answered, or none is there yet.</summary>
    public TimeSpan? RoundTripTime { get; init; }

    /// <summary>What to do about it; null where nothing has to be done.</summary>
    public string? RecommendedAction { get; init; }
}
