using System.Net;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Paths;

/// <summary>A namespace with a VXLAN device in it.</summary>
internal sealed class OverlayPathEnd(NetworkNamespace inner, IPAddress address, IPEndPoint? listenEndpoint, int networkIdentifier)
    : PreparedPathEnd
{
    private bool removed;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Resources =>
    [
        $"network namespace {inner.Path}", $"vxlan {networkIdentifier} {OverlayPathProvider.DeviceName}",
        $"address {address}/{VirtualAddressPlan.OverlayPrefixLength}",
    ];

    /// <inheritdoc/>
    public override PathNetwork Network { get; } = new(inner);

    /// <inheritdoc/>
    public override IPEndPoint? ListenEndpoint => listenEndpoint;

    /// <inheritdoc/>
    public override Task DrainAsync(CancellationToken cancellationToken) => PathSockets.DrainAsync(Network, null, cancellationToken);

    /// <inheritdoc/>
    public override async Task RemoveAsync(CancellationToken cancellationToken)
    {
        if (removed) return;

        // It would go with the namespace, but only once the last socket inside has; and here a failure is noticed.
        await NetworkProgram.Ip.RunAsync(
            Network, ["link", "delete", OverlayPathProvider.DeviceName], "", $"remove the overlay with the address {address}",
            cancellationToken).ConfigureAwait(false);
        removed = true;
        inner.Dispose();
    }
}
