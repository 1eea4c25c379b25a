using System.Net;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Paths;

/// <summary>
/// The gateways' ends: a table of nftables for each path, and the forwarding of IPv4 packets. Where that was off, it is turned on with the
/// first end, for packets of paths only, and off with the last.
/// </summary>
/// <param name="network">The gateway's network.</param>
/// <param name="allowed">Whether this host may be a gateway.</param>
internal sealed class NatGatewayProvider(PathNetwork network, bool allowed) : IMobilityPathProvider, IDisposable
{
    private static readonly string[] fromStandardInput = ["-f", "-"];

    private readonly Ipv4Forwarding forwarding = new(network);
    private readonly SemaphoreSlim gate = new(1);
    private readonly HashSet<Guid> present = [];
    private bool forwardingEnabled;

    /// <summary>The gateway's network.</summary>
    public PathNetwork Network => network;

    /// <summary>Whether an end made now turns forwarding on, or is carried by one that did.</summary>
    public bool WillEnableForwarding => forwardingEnabled || !forwarding.IsOn;

    /// <inheritdoc/>
    public bool Makes(MobilityPathKind kind, MobilityPathRole role) => kind == MobilityPathKind.Nat && role == MobilityPathRole.Gateway;

    /// <inheritdoc/>
    public async Task<string?> FindObstacleAsync(CancellationToken cancellationToken)
    {
        if (!allowed) return "its configuration does not allow it to be a gateway: set PathGateway.";
        if (NetworkProgram.Nft.Obstacle is { } missing) return missing;
        try
        {
            using NetworkNamespace trial = NetworkNamespace.Create();
            var rules = new NatRuleset(
                Guid.Empty, IPAddress.Parse("192.0.2.1"), IPAddress.Parse("192.0.2.2"), IPAddress.Parse("100.64.0.0"),
                IPAddress.Parse("100.64.0.1"), 49_152);
            await NetworkProgram.Nft.RunAsync(
                new(trial), fromStandardInput, NatRuleset.AddForwardingGuard + rules.AddCommands, "try rules of nftables", cancellationToken)
                .ConfigureAwait(false);
            new Ipv4Forwarding(new(trial)).Set(true);
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
        NatRuleset rules = NatRuleset.Of(request);
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            bool enable = !forwarding.IsOn;
            await NetworkProgram.Nft.RunAsync(
                network, fromStandardInput, (enable ? NatRuleset.AddForwardingGuard : "") + rules.AddCommands,
                $"make the rules of path {request.PathId}", cancellationToken).ConfigureAwait(false);
            forwardingEnabled |= enable;
            present.Add(request.PathId);
            try
            {
                if (enable) forwarding.Set(true);
            }
            catch
            {
                await RemoveLockedAsync(rules, CancellationToken.None).ConfigureAwait(false);
                throw;
            }

            return new NatGatewayEnd(this, rules);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <inheritdoc/>
    public Task RemoveLeftoverAsync(MobilityPathRequest request, CancellationToken cancellationToken) =>
        RemoveAsync(NatRuleset.Of(request), cancellationToken);

    /// <summary>Says that a killed engine had turned forwarding on, so that it goes off with the last of its leftovers.</summary>
    public void AdoptForwarding(MobilityPathRequest leftover)
    {
        forwardingEnabled = true;
        present.Add(leftover.PathId);
    }

    /// <summary>Removes a path's rules, and the forwarding with the last of them; does nothing where they are gone.</summary>
    public async Task RemoveAsync(NatRuleset rules, CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await RemoveLockedAsync(rules, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>What the rules of all paths have counted, by the names of their tables.</summary>
    public async Task<IReadOnlyDictionary<string, NatCounts>> ReadCountsAsync(CancellationToken cancellationToken) =>
        NatRuleset.ReadCounts(await NetworkProgram.Nft.RunAsync(
            network, ["-j", "list", "counters"], "", "read the counters of paths", cancellationToken).ConfigureAwait(false));

    /// <inheritdoc/>
    public void Dispose() => gate.Dispose();

    private async Task RemoveLockedAsync(NatRuleset rules, CancellationToken cancellationToken)
    {
        bool last = forwardingEnabled && present.All(path => path == rules.PathId);

        // Forwarding first: without the guard it would be on for everybody.
        if (last) forwarding.Set(false);
        await NetworkProgram.Nft.RunAsync(
            network, fromStandardInput, rules.RemoveCommands + (last ? NatRuleset.RemoveForwardingGuard : ""),
            $"remove the rules of path {rules.PathId}", cancellationToken).ConfigureAwait(false);
        present.Remove(rules.PathId);
        if (last) forwardingEnabled = false;
    }
}
