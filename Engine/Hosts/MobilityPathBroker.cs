using System.Diagnostics;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// Makes a mobility path on all hosts that take part, or on none. Each host is told the physical addresses its own end needs and no others;
/// the session is the only one that knows them all.
/// </summary>
public static class MobilityPathBroker
{
    /// <summary>How often numbers are drawn before a host that has them in use is believed.</summary>
    private const int MaxDraws = 4;

    /// <summary>Says what keeps the hosts from making such a path, and changes nothing.</summary>
    /// <param name="kind">The kind of path.</param>
    /// <param name="source">The host that is to connect.</param>
    /// <param name="destination">The host that is to be connected to.</param>
    /// <param name="gateway">The host between them; null for a kind that needs none.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async Task<IReadOnlyList<PreflightFinding>> CheckAsync(
        MobilityPathKind kind, IMigrationHost source, IMigrationHost destination, IMigrationHost? gateway,
        CancellationToken cancellationToken) =>
        (await MobilityPathSurvey.RunAsync(kind, source, destination, gateway, cancellationToken).ConfigureAwait(false)).Findings;

    /// <summary>Makes the ends on all hosts side by side; where one fails, those that were made are removed again.</summary>
    /// <param name="kind">The kind of path; not <see cref="MobilityPathKind.Direct"/>.</param>
    /// <param name="source">The host that is to connect.</param>
    /// <param name="destination">The host that is to be connected to.</param>
    /// <param name="gateway">The host between them; null for a kind that needs none.</param>
    /// <param name="cancellationToken">Cancels the call; nothing is left then.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.PreflightFailed"/> for what <see cref="CheckAsync"/> finds, and whatever keeps a host from making
    /// its end.
    /// </exception>
    public static async Task<MobilityPath> CreateAsync(
        MobilityPathKind kind, IMigrationHost source, IMigrationHost destination, IMigrationHost? gateway,
        CancellationToken cancellationToken)
    {
        MobilityPathSurvey survey =
            await MobilityPathSurvey.RunAsync(kind, source, destination, gateway, cancellationToken).ConfigureAwait(false);
        if (survey.Findings is [PreflightFinding finding, ..])
        {
            throw new MigrationException(MigrationErrorReason.PreflightFailed, finding.Message, finding.RecommendedAction);
        }

        IMigrationHost[] hosts = gateway is null ? [source, destination] : [source, destination, gateway];
        for (int draw = 1; ; draw++)
        {
            IReadOnlyList<MobilityPathRequest> requests = survey.Plan(Guid.NewGuid(), VirtualAddressPlan.Draw(kind));
            try
            {
                return await PrepareAsync(hosts, requests, cancellationToken).ConfigureAwait(false);
            }
            catch (MigrationException taken) when (taken.Reason == MigrationErrorReason.InvalidState && draw < MaxDraws)
            {
                // A host has these numbers in use; others are drawn.
            }
        }
    }

    /// <summary>The paths that these hosts have ends of.</summary>
    public static async Task<IReadOnlyList<MobilityPath>> ListAsync(
        IReadOnlyCollection<IMigrationHost> hosts, CancellationToken cancellationToken)
    {
        (string HostName, IReadOnlyList<MobilityPathEnd> Ends)[] answers = await Task.WhenAll(hosts.Select(async host =>
            (host.Name, await host.ListPathsAsync(cancellationToken).ConfigureAwait(false)))).ConfigureAwait(false);
        return
        [
            .. from answer in answers
            from end in answer.Ends
            group (answer.HostName, End: end) by end.Request.PathId into path
            let request = path.First().End.Request
            orderby path.Min(one => one.End.MadeAt)
            select new MobilityPath(
                path.Key, request.Kind, request.SourceHostName, request.DestinationHostName, request.GatewayHostName,
                path.ToDictionary(one => one.HostName, one => one.End)),
        ];
    }

    /// <summary>Measures the round trip from the source to the destination over the path; null where nothing answers.</summary>
    /// <param name="pathId">The path.</param>
    /// <param name="source">Its source.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static Task<TimeSpan?> TestAsync(Guid pathId, IMigrationHost source, CancellationToken cancellationToken) =>
        source.ProbePathAsync(pathId, cancellationToken);

    /// <summary>
    /// Removes the ends that these hosts have of a path; tries every host before it reports the first failure. A gateway, which does not
    /// know whether its end is in use, comes last and only where the others had theirs removed.
    /// </summary>
    /// <param name="pathId">The path.</param>
    /// <param name="hosts">Hosts that may have ends of it.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> while a migration uses it.</exception>
    public static async Task RemoveAsync(Guid pathId, IReadOnlyCollection<IMigrationHost> hosts, CancellationToken cancellationToken)
    {
        IReadOnlyList<MobilityPath> paths = await ListAsync(hosts, cancellationToken).ConfigureAwait(false);
        if (paths.FirstOrDefault(path => path.PathId == pathId) is not { } present) return;
        ILookup<bool, IMigrationHost> byRole = hosts.ToLookup(host => host.Name == present.GatewayHostName);
        await Task.WhenAll(byRole[false].Select(host => host.RemovePathAsync(pathId, cancellationToken))).ConfigureAwait(false);
        await Task.WhenAll(byRole[true].Select(host => host.RemovePathAsync(pathId, cancellationToken))).ConfigureAwait(false);
    }

    private static async Task<MobilityPath> PrepareAsync(
        IMigrationHost[] hosts, IReadOnlyList<MobilityPathRequest> requests, CancellationToken cancellationToken)
    {
        long startedAt = Stopwatch.GetTimestamp();
        MobilityPathRequest first = requests[0];
        try
        {
            MobilityPathEnd[] ends = await Task.WhenAll(
                hosts.Zip(requests, (host, request) => host.PreparePathAsync(request, cancellationToken))).ConfigureAwait(false);
            return new(
                first.PathId, first.Kind, first.SourceHostName, first.DestinationHostName, first.GatewayHostName,
                hosts.Zip(ends).ToDictionary(one => one.First.Name, one => one.Second))
            {
                SetupTime = Stopwatch.GetElapsedTime(startedAt),
            };
        }
        catch (Exception error)
        {
            await RollBackAsync(first.PathId, hosts, error).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Removes what was made of a path; a host that does not is named with the failure that led here.</summary>
    internal static async Task RollBackAsync(Guid pathId, IReadOnlyCollection<IMigrationHost> hosts, Exception cause)
    {
        List<string> left = [];
        foreach ((IMigrationHost host, Task removal) in hosts.Select(host => (host, host.RemovePathAsync(pathId, CancellationToken.None))).ToArray())
        {
            try
            {
                await removal.ConfigureAwait(false);
            }
            catch (MigrationException)
            {
                left.Add(host.Name);
            }
        }

        if (left.Count == 0) return;
        var known = cause as MigrationException;
        throw new MigrationException(
            known?.Reason ?? MigrationErrorReason.Cancelled,
            $"{cause.Message} The ends of path {pathId} on {string.Join(", ", left)} stay until these hosts remove them by themselves.",
            known?.RecommendedAction, cause);
    }
}
