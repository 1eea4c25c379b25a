using VmMigration.Engine;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>What a path argument and a gateway argument mean together.</summary>
internal static class MobilityPathArguments
{
    /// <param name="path">The path; null for the hosts' ordinary network.</param>
    /// <param name="gateway">The gateway; null for none.</param>
    /// <param name="parameterName">How the cmdlet calls the path, for messages.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/> for a gateway that no path goes over.</exception>
    public static MobilityPathChoice Choose(MobilityPathReference? path, MigrationHostReference? gateway, string parameterName)
    {
        if (path is null && gateway is not null)
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument, $"Gateway {gateway} was named, and no path that goes over it.",
                $"Say -{parameterName} Nat as well, or leave -GatewayHost out.");
        }

        if (path?.PathId is { } id) return MobilityPathChoice.Existing(id);
        if (path is null or { Kind: MobilityPathKind.Direct }) return MobilityPathChoice.Direct;
        return MobilityPathChoice.Make((Engine.Paths.MobilityPathKind)path.Kind!.Value, gateway is null ? null : HostRegistry.Get(gateway.Name));
    }
}
