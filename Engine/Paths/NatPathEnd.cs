using System.Net;
using System.Net.Sockets;

namespace VmMigration.Engine.Paths;

/// <summary>A host's end of a path over a gateway: the route to the other host's virtual address.</summary>
internal sealed class NatPathEnd(NatPathProvider provider, NatHostPlan plan, MobilityPathRequest request) : PreparedPathEnd
{
    /// <inheritdoc/>
    public override IReadOnlyList<string> Resources => plan.Gateway is null
        ? [] : [$"route {plan.PeerVirtualAddress}/32 via {plan.Gateway} from {plan.Local}"];

    /// <inheritdoc/>
    public override PathNetwork Network => provider.Network;

    /// <inheritdoc/>
    public override IPEndPoint? ListenEndpoint =>
        request.Role == MobilityPathRole.Destination ? new(plan.Local, request.DataPort) : null;

    /// <summary>Tells the gateway that this end is there: it removes its own when nobody says so any more.</summary>
    public void KeepAlive() => Tell(NatRuleset.AliveBytes);

    /// <inheritdoc/>
    public override Task DrainAsync(CancellationToken cancellationToken) =>
        PathSockets.DrainAsync(Network, plan.PeerVirtualAddress, cancellationToken);

    /// <inheritdoc/>
    public override async Task RemoveAsync(CancellationToken cancellationToken)
    {
        Tell(NatRuleset.FarewellBytes);
        await provider.RemoveRouteAsync(plan, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>One datagram, which the gateway's rules count and drop; where it is lost the gateway finds out by the silence.</summary>
    private void Tell(int payloadBytes) => provider.Network.Run(() =>
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            socket.Bind(new IPEndPoint(plan.Local, 0));
            socket.SendTo(new byte[payloadBytes], new IPEndPoint(plan.PeerVirtualAddress, request.DataPort));
        }
        catch (SocketException error)
        {
            provider.Log.Debug("The gateway of path {PathId} could not be told: {Message}", request.PathId, error.Message);
        }

        return true;
    });
}
