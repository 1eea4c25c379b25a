using System.Collections.Concurrent;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>The VMs that are arriving on a host with their disks.</summary>
/// <param name="parts">The host.</param>
/// <param name="tryStart">Starts what is waited for when the host closes; false where it is closing.</param>
/// <param name="closing">The host closes.</param>
internal sealed class IncomingDiskMoves(LocalHostParts parts, Func<Action, bool> tryStart, CancellationToken closing)
{
    private readonly ConcurrentDictionary<Guid, RunningMigration<IncomingVmWithDisks>> running = new();

    /// <summary>Ends once those under way have.</summary>
    public Task Ended => Task.WhenAll(running.Values.Select(one => one.Ended));

    /// <summary>Whether a VM would arrive here with its disks.</summary>
    public static bool Concerns(IncomingRequest request) =>
        request.Options.IncludeDisks && request.Specification.Qemu is { Disks.Count: > 0 };

    /// <summary>Waits from now on for the source of a VM that brings its disks.</summary>
    /// <param name="request">What was agreed on.</param>
    /// <param name="entrance">Where it comes in.</param>
    /// <param name="path">The mobility path it comes over; null for the ordinary network.</param>
    public IncomingVmWithDisks Start(IncomingRequest request, MigrationListener entrance, LocalPathUse? path)
    {
        parts.RequireOpen();
        VmSpecificationCheck.Require(request.Specification);
        var disks = new ArrivingDisks(
            request, parts.Disks.Datastore, parts.Journal.ArrivedDisks, parts.Transfers.Registry,
            (image, token) => parts.Disks.PrepareWithinAsync(image, path, token));
        var move = new IncomingVmWithDisks(
            request, disks,
            (specification, ticket, complete, token) => MakeVmAsync(
                request with { Specification = specification }, entrance, ticket, complete, token),
            parts.Logger);
        bool started = tryStart(() =>
        {
            entrance.Register(move);
            running[request.MigrationId] = new(move, token => RunAsync(move, request, entrance, path, token), closing);
        });
        return started ? move : throw VmRegistry.HostClosed();
    }

    /// <summary>How one is going; null where none of this id is.</summary>
    public MigrationOutcome? FindOutcome(Guid migrationId) => running.GetValueOrDefault(migrationId)?.Migration.Outcome;

    /// <summary>Gives one up that the source has not granted; does nothing where none of this id is.</summary>
    public Task CancelAsync(Guid migrationId) => running.GetValueOrDefault(migrationId)?.CancelAsync() ?? Task.CompletedTask;

    private async Task<(IVirtualMachine Machine, DestinationMigration Migration)> MakeVmAsync(
        IncomingRequest request, MigrationListener entrance, byte[] ticket, Task complete, CancellationToken cancellationToken)
    {
        IncomingVm place = await parts.Transfers.MakeIncomingAsync(request, cancellationToken).ConfigureAwait(false);
        var migration = new DestinationMigration(place, request, parts.Journal, parts.Logger, ticket, complete);
        try
        {
            await migration.BeginAsync(cancellationToken).ConfigureAwait(false);
            parts.Journal.SaveOffer(request.MigrationId, entrance.Endpoint.ToString(), Hello.OutcomeTicketOf(ticket));
            return (place.Machine, migration);
        }
        catch
        {
            await place.RemoveAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task RunAsync(
        IncomingVmWithDisks move, IncomingRequest request, MigrationListener entrance, LocalPathUse? path, CancellationToken withdraw)
    {
        try
        {
            MigrationOutcome outcome = await move.RunAsync(withdraw, closing).ConfigureAwait(false);
            running.TryRemove(request.MigrationId, out _);
            if (outcome != MigrationOutcome.Pending) entrance.Unregister(request.MigrationId);
            if (outcome == MigrationOutcome.DestinationOwns && parts.Transfers.Registry.TryFind(request.Specification.Id) is { } arrived)
            {
                parts.Merges.Begin(arrived);
            }
        }
        finally
        {
            if (path is not null) await path.EndAsync(move.MayBeAsked).ConfigureAwait(false);
        }
    }
}
