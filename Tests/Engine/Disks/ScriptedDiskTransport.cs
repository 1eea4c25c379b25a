using System.Collections.Concurrent;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Native;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>
/// Moves disks between hosts of this process without connections, block by block, as far as a test lets it: what is shown with it is what hosts
/// do around a transfer.
/// </summary>
internal sealed class ScriptedDiskTransport : IDiskTransport
{
    private readonly ConcurrentDictionary<Guid, Incoming> incoming = new();

    /// <summary>Blocks that a transfer sends before it waits for <see cref="Go"/>.</summary>
    public int BlocksBeforeWait { get; init; } = int.MaxValue;

    /// <summary>Lets transfers go on that wait.</summary>
    public TaskCompletionSource Go { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Has ended once a transfer waits.</summary>
    public TaskCompletionSource Waits { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Says of an image what its file alone does not.</summary>
    public Func<DiskDescription, DiskDescription> Describe { get; init; } = description => description;

    public Task<DiskDescription> DescribeAsync(string hostName, string path, CancellationToken cancellationToken)
    {
        FileStatus file = FileStatus.TryRead(path) ?? throw new MigrationException(MigrationErrorReason.DiskNotFound, $"No '{path}'.");
        return Task.FromResult(Describe(new()
        {
            HostName = hostName,
            Path = path,
            Format = DiskFormat.Raw,
            VirtualSizeBytes = file.SizeBytes,
            AllocatedBytes = file.AllocatedBytes,
            Generation = new(file.SizeBytes, file.DeviceId, file.Inode, file.ModifiedNanoseconds, file.ChangedNanoseconds),
        }));
    }

    public Task<IOutgoingDisk> OpenAsync(
        DiskDescription source, DiskTransferRequest request, DiskTransferStatusFeed feed, ISocketPlace? network,
        CancellationToken cancellationToken) => Task.FromResult<IOutgoingDisk>(new Outgoing(this, source, feed));

    public IIncomingDisk Receive(IncomingDiskRequest request, IncompleteDiskPlace place, IIncompleteDisks store) =>
        incoming[request.TransferId] = new Incoming(place, store);

    private sealed class Incoming(IncompleteDiskPlace place, IIncompleteDisks store) : IIncomingDisk
    {
        private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Guid OperationId => place.TransferId;

        public ReadOnlyMemory<byte> Ticket { get; } = new byte[Hello.TicketBytes];

        public IncompleteDiskPlace Place => place;

        public IIncompleteDisks Store => store;

        public bool TryClaim(ConnectionRole role, int channel) => false;

        public bool Serve(LinkTransport transport, ConnectionRole role, int channel) => false;

        public async Task<DiskReceiverEnd> RunAsync(CancellationToken withdraw)
        {
            try
            {
                await ended.Task.WaitAsync(withdraw);
                return new(null, null, null);
            }
            catch (OperationCanceledException)
            {
                return new(new(MigrationErrorReason.Cancelled, "Given up."), await KeepAsync("Given up."), null);
            }
        }

        public async Task<DiskFragment?> KeepAsync(string message)
        {
            DiskFragment? fragment = await store.KeepAsync(OperationId, MigrationErrorReason.ConnectionLost, message);
            ended.TrySetResult();
            return fragment;
        }

        public async Task CompleteAsync()
        {
            await store.CompleteAsync(OperationId);
            ended.TrySetResult();
        }
    }

    private sealed class Outgoing(ScriptedDiskTransport transport, DiskDescription source, DiskTransferStatusFeed feed) : IOutgoingDisk
    {
        public async Task RunAsync(CancellationToken cancel)
        {
            Incoming peer = transport.incoming[feed.Current.Id];
            feed.MoveTo(DiskTransferState.Transferring);
            try
            {
                await SendAsync(peer, cancel);
                feed.MoveTo(DiskTransferState.Verifying);
                await peer.CompleteAsync();
                feed.MoveTo(DiskTransferState.Completed);
            }
            catch (OperationCanceledException)
            {
                DiskFragment? fragment = await peer.KeepAsync("The source stopped.");
                feed.MoveTo(DiskTransferState.Cancelled, status => status with { FragmentId = fragment?.Id });
            }
        }

        public Task SuspendAsync(CancellationToken cancellationToken)
        {
            if (feed.Current.State == DiskTransferState.Transferring) feed.MoveTo(DiskTransferState.Suspended);
            return Task.CompletedTask;
        }

        public void Resume()
        {
            if (feed.Current.State == DiskTransferState.Suspended) feed.MoveTo(DiskTransferState.Transferring);
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private async Task SendAsync(Incoming peer, CancellationToken cancel)
        {
            byte[] contents = await File.ReadAllBytesAsync(source.Path, cancel);
            int blocks = contents.Length / BlockDigests.BlockBytes;
            for (int block = (int)(peer.Place.Resumption.OffsetBytes / BlockDigests.BlockBytes); block <= blocks; block++)
            {
                if (block == transport.BlocksBeforeWait)
                {
                    transport.Waits.TrySetResult();
                    await transport.Go.Task.WaitAsync(cancel);
                }

                StoreBench.Write(peer.Store, peer.Place, contents, block, blocks);
                feed.Report(status => status with { DoneBytes = (long)block * BlockDigests.BlockBytes });
            }
        }
    }
}
