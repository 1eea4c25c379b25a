namespace VmMigration.Engine.Paths;

/// <summary>The gateway's end of a path: its table of rules.</summary>
internal sealed class NatGatewayEnd(NatGatewayProvider provider, NatRuleset rules) : PreparedPathEnd
{
    /// <summary>The rules.</summary>
    public NatRuleset Rules => rules;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Resources =>
    [
        $"table {rules}", $"address {rules.SourceVirtual}", $"address {rules.DestinationVirtual}",
    ];

    /// <inheritdoc/>
    public override PathNetwork Network => provider.Network;

    /// <inheritdoc/>
    public override Task RemoveAsync(CancellationToken cancellationToken) => provider.RemoveAsync(rules, cancellationToken);
}
