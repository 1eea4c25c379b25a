using Serilog.Core;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>This machine's transport, with descriptions that say what a test wants.</summary>
internal sealed class DescribingTransport(Func<DiskDescription, DiskDescription> change) : IDiskTransport
{
    private readonly DiskTransport transport = new(Logger.None);

    public async Task<DiskDescription> DescribeAsync(string hostName, string path, CancellationToken cancellationToken) =>
        change(await transport.DescribeAsync(hostName, path, cancellationToken));

    public Task<IOutgoingDisk> OpenAsync(
        DiskDescription source, DiskTransferRequest request, DiskTransferStatusFeed feed, ISocketPlace? network,
        CancellationToken cancellationToken) => transport.OpenAsync(source, request, feed, network, cancellationToken);

    public IIncomingDisk Receive(IncomingDiskRequest request, IncompleteDiskPlace place, IIncompleteDisks store) =>
        transport.Receive(request, place, store);
}
