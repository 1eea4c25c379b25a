using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Hosts;

/// <summary>The mobility path of one migration, as its broker has it.</summary>
/// <param name="PathId">The path; null for the ordinary network.</param>
/// <param name="SetupTime">What making it took; null where it was there before.</param>
/// <param name="Hosts">The hosts it was made on; empty where it was there before.</param>
internal sealed record ChosenPath(Guid? PathId, TimeSpan? SetupTime, IReadOnlyCollection<IMigrationHost> Hosts)
{
    /// <summary>Says what keeps the migration from taking the path.</summary>
    public static async Task<IReadOnlyList<PreflightFinding>> CheckAsync(
        MobilityPathChoice choice, IMigrationHost source, IMigrationHost destination, CancellationToken cancellationToken)
    {
        if (choice.PathId is not { } pathId)
        {
            return choice.Kind == MobilityPathKind.Direct ? [] : await MobilityPathBroker
                .CheckAsync(choice.Kind, source, destination, choice.Gateway, cancellationToken).ConfigureAwait(false);
        }

        PreflightFinding?[] findings =
        [
            await CheckEndAsync(pathId, source, MobilityPathRole.Source, cancellationToken).ConfigureAwait(false),
            await CheckEndAsync(pathId, destination, MobilityPathRole.Destination, cancellationToken).ConfigureAwait(false),
        ];
        return [.. findings.OfType<PreflightFinding>()];
    }

    /// <summary>Makes the path where one is to be made.</summary>
    public static async Task<ChosenPath> TakeAsync(
        MobilityPathChoice choice, IMigrationHost source, IMigrationHost destination, CancellationToken cancellationToken)
    {
        if (choice.PathId is not null || choice.Kind == MobilityPathKind.Direct) return new(choice.PathId, null, []);
        MobilityPath path = await MobilityPathBroker
            .CreateAsync(choice.Kind, source, destination, choice.Gateway, cancellationToken).ConfigureAwait(false);
        return new(path.PathId, path.SetupTime, choice.Gateway is null ? [source, destination] : [source, destination, choice.Gateway]);
    }

    /// <summary>The migration did not begin: what was made for it is removed.</summary>
    public Task RollBackAsync(Exception cause) =>
        PathId is { } pathId ? MobilityPathBroker.RollBackAsync(pathId, Hosts, cause) : Task.CompletedTask;

    private static async Task<PreflightFinding?> CheckEndAsync(
        Guid pathId, IMigrationHost host, MobilityPathRole role, CancellationToken cancellationToken)
    {
        IReadOnlyList<MobilityPathEnd> ends = await host.ListPathsAsync(cancellationToken).ConfigureAwait(false);
        MobilityPathEnd? end = ends.FirstOrDefault(end => end.Request.PathId == pathId && end.Request.Role == role);
        return end?.State == MobilityPathState.Ready ? null : new(
            PreflightSeverity.Error, "MobilityPath",
            $"Host '{host.Name}' has no {role} end of path {pathId} that is ready{(end is null ? "" : $": it is {end.State}")}.",
            "Make a path from this source to this destination.");
    }
}
