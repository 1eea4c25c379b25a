using Serilog;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Paths;

/// <summary>
/// The two hosts' ends of a path over a gateway: each has a route to the other's virtual address and nothing else. The connections are
/// ordinary ones of the host; it is the gateway that makes them show no physical address of the other side.
/// </summary>
/// <param name="network">The host's network.</param>
/// <param name="log">Told what could not be said to the gateway.</param>
internal sealed class NatPathProvider(PathNetwork network, ILogger log) : IMobilityPathProvider
{
    // Marks the routes of paths (rtnetlink(7), rtm_protocol): neither the kernel's, nor an administrator's, nor a known daemon's.
    private const int RouteProtocol = 249;

    /// <summary>The host's network.</summary>
    public PathNetwork Network => network;

    /// <summary>The host's log.</summary>
    public ILogger Log => log;

    /// <inheritdoc/>
    public bool Makes(MobilityPathKind kind, MobilityPathRole role) =>
        kind == MobilityPathKind.Nat && role is MobilityPathRole.Source or MobilityPathRole.Destination;

    /// <inheritdoc/>
    public async Task<string?> FindObstacleAsync(CancellationToken cancellationToken)
    {
        if (NetworkProgram.Ip.Obstacle is { } missing) return missing;
        try
        {
            using NetworkNamespace trial = NetworkNamespace.Create();
            await NetworkProgram.Ip.RunAsync(
                new(trial), ["route", "add", "blackhole", "100.64.0.1/32", "proto", $"{RouteProtocol}"], "", "try a route", cancellationToken)
                .ConfigureAwait(false);
            return null;
        }
        catch (MigrationException refused)
        {
            return refused.Message;
        }
    }

    /// <inheritdoc/>
    public async Task<PreparedPathEnd> PrepareAsync(MobilityPathRequest request, CancellationToken cancellationToken)
    {
        NatHostPlan plan = NatHostPlan.Of(request);
        if (plan.Gateway is not null) await AddRouteAsync(plan, cancellationToken).ConfigureAwait(false);
        try
        {
            // Also where the route was there before: without one the path is none.
            RouteProbe.Look(network, plan.Local, plan.PeerVirtualAddress);
            var end = new NatPathEnd(this, plan, request);
            end.KeepAlive();
            return end;
        }
        catch
        {
            await RemoveRouteAsync(plan, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public Task RemoveLeftoverAsync(MobilityPathRequest request, CancellationToken cancellationToken) =>
        RemoveRouteAsync(NatHostPlan.Of(request), cancellationToken);

    /// <summary>Removes the route of a path; does nothing where it is gone, and touches none that something else made.</summary>
    public async Task RemoveRouteAsync(NatHostPlan plan, CancellationToken cancellationToken)
    {
        if (plan.Gateway is null) return;
        await NetworkProgram.Ip.RunAsync(
            network, ["-4", "route", "flush", "exact", $"{plan.PeerVirtualAddress}/32", "proto", $"{RouteProtocol}"], "",
            $"remove the route to {plan.PeerVirtualAddress}", cancellationToken).ConfigureAwait(false);
    }

    private async Task AddRouteAsync(NatHostPlan plan, CancellationToken cancellationToken) =>
        await NetworkProgram.Ip.RunAsync(
            network, ["-batch", "-"],
            $"route add {plan.PeerVirtualAddress}/32 via {plan.Gateway} src {plan.Local} proto {RouteProtocol}\n",
            $"make a route to {plan.PeerVirtualAddress} via {plan.Gateway}", cancellationToken).ConfigureAwait(false);
}
