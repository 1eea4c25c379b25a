using Grpc.Core;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote.Messages;
using Contract = VmMigration.Engine.Hosts.Remote.Contract;

namespace VmMigration.HostAgent.Services;

/// <summary>Serves what the host is.</summary>
internal sealed class HostService(IMigrationHost host) : Contract.Hosts.HostsBase
{
    public override async Task<Contract.HostDescription> Describe(Contract.DescribeRequest request, ServerCallContext context) =>
        (await host.DescribeAsync(context.CancellationToken).ConfigureAwait(false)).ToMessage();
}
