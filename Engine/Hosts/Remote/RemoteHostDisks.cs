using Grpc.Core;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts.Remote.Messages;

namespace VmMigration.Engine.Hosts.Remote;

/// <summary>The disks of a host behind an agent.</summary>
/// <param name="invoker">The channel to the agent.</param>
/// <param name="calls">Calls to the agent.</param>
/// <param name="watch">Follows transfers.</param>
internal sealed class RemoteHostDisks(CallInvoker invoker, AgentCalls calls, AgentWatch watch) : IHostDisks
{
    private readonly Contract.Disks.DisksClient disks = new(invoker);
    private readonly Contract.IncomingDisks.IncomingDisksClient incoming = new(invoker);
    private readonly Contract.DiskTransfers.DiskTransfersClient transfers = new(invoker);

    /// <inheritdoc/>
    public async Task<DiskDescription> DescribeDiskAsync(string path, CancellationToken cancellationToken)
    {
        var request = new Contract.DescribeDiskRequest { Path = path };
        return (await calls.ReadAsync(options => disks.DescribeAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<IncomingDiskOffer> PrepareIncomingDiskAsync(IncomingDiskRequest request, CancellationToken cancellationToken)
    {
        Contract.IncomingDiskRequest message = request.ToMessage();
        return (await calls.WriteAsync(
            options => incoming.PrepareAsync(message, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public Task WithdrawIncomingDiskAsync(Guid transferId, CancellationToken cancellationToken)
    {
        var request = new Contract.WithdrawIncomingDiskRequest { TransferId = transferId.ToString() };
        return calls.RepeatAsync(options => incoming.WithdrawAsync(request, options), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<DiskTransferStatus> StartDiskTransferAsync(DiskTransferRequest request, CancellationToken cancellationToken)
    {
        Contract.DiskTransferRequest message = request.ToMessage();
        return (await calls.WriteAsync(
            options => transfers.StartAsync(message, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DiskTransferStatus>> ListDiskTransfersAsync(CancellationToken cancellationToken)
    {
        Contract.ListDiskTransfersResponse response = await calls.ReadAsync(
            options => transfers.ListAsync(new(), options), cancellationToken).ConfigureAwait(false);
        return [.. response.Transfers.Select(transfer => transfer.ToRecord())];
    }

    /// <inheritdoc/>
    public async Task<DiskTransferStatus> GetDiskTransferAsync(Guid transferId, CancellationToken cancellationToken)
    {
        var request = new Contract.GetDiskTransferRequest { TransferId = transferId.ToString() };
        return (await calls.ReadAsync(options => transfers.GetAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    /// <remarks>
    /// A connection that breaks meanwhile is made again, for as long as <see cref="RemoteHostOptions.ReconnectTimeLimit"/> says each time.
    /// </remarks>
    public IAsyncEnumerable<DiskTransferStatus> WatchDiskTransferAsync(Guid transferId, CancellationToken cancellationToken) =>
        watch.FollowAsync(
            options => transfers.Watch(new() { TransferId = transferId.ToString() }, options),
            message => message.ToRecord(), status => status.HasEnded, cancellationToken);

    /// <inheritdoc/>
    public async Task<DiskTransferStatus> SuspendDiskTransferAsync(Guid transferId, CancellationToken cancellationToken)
    {
        var request = new Contract.SuspendDiskTransferRequest { TransferId = transferId.ToString() };
        return (await calls.RepeatAsync(
            options => transfers.SuspendAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<DiskTransferStatus> ResumeDiskTransferAsync(Guid transferId, CancellationToken cancellationToken)
    {
        var request = new Contract.ResumeDiskTransferRequest { TransferId = transferId.ToString() };
        return (await calls.RepeatAsync(
            options => transfers.ResumeAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<DiskTransferStatus> CancelDiskTransferAsync(Guid transferId, CancellationToken cancellationToken)
    {
        var request = new Contract.CancelDiskTransferRequest { TransferId = transferId.ToString() };
        return (await calls.RepeatAsync(
            options => transfers.CancelAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DiskFragment>> ListDiskFragmentsAsync(CancellationToken cancellationToken)
    {
        Contract.ListDiskFragmentsResponse response = await calls.ReadAsync(
            options => disks.ListFragmentsAsync(new(), options), cancellationToken).ConfigureAwait(false);
        return [.. response.Fragments.Select(fragment => fragment.ToRecord())];
    }

    /// <inheritdoc/>
    public Task RemoveDiskFragmentAsync(Guid fragmentId, CancellationToken cancellationToken)
    {
        var request = new Contract.RemoveDiskFragmentRequest { FragmentId = fragmentId.ToString() };
        return calls.WriteAsync(options => disks.RemoveFragmentAsync(request, options), cancellationToken);
    }
}
