using System.Collections.Concurrent;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>The disks that arrive on a host, from the offer to the final name or the fragment.</summary>
internal sealed class IncomingDiskTransfers(LocalHostParts parts, FragmentStore store, IDiskTransport transport) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<Guid, RunningMigration<IIncomingDisk>> incoming = new();
    private readonly CancellationTokenSource closing = new();
    private readonly Lock gate = new();
    private bool closed;

    /// <summary>Lets disks in that arrive over the ordinary network.</summary>
    public MigrationListener? Entrance { get; set; }

    /// <inheritdoc cref="IHostDisks.PrepareIncomingDiskAsync"/>
    public async Task<IncomingDiskOffer> PrepareAsync(IncomingDiskRequest request, CancellationToken cancellationToken)
    {
        parts.RequireOpen();
        Validate(request);
        if (request.PathId is not { } pathId) return await PrepareAsync(request, null, null, cancellationToken).ConfigureAwait(false);
        LocalPathUse path = await parts.Paths
            .TakeAsync(pathId, MobilityPathRole.Destination, request.TransferId, cancellationToken).ConfigureAwait(false);
        try
        {
            return await PrepareAsync(request, path, () => path.EndAsync(mayBeAsked: false), cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await path.ReturnAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc cref="LocalHostDisks.PrepareWithinAsync"/>
    public Task<IncomingDiskOffer> PrepareWithinAsync(IncomingDiskRequest request, LocalPathUse? path, CancellationToken cancellationToken)
    {
        parts.RequireOpen();
        Validate(request);
        return PrepareAsync(request, path, null, cancellationToken);
    }

    /// <inheritdoc cref="IHostDisks.WithdrawIncomingDiskAsync"/>
    public async Task WithdrawAsync(Guid transferId, CancellationToken cancellationToken)
    {
        if (incoming.TryGetValue(transferId, out RunningMigration<IIncomingDisk>? running))
        {
            await running.CancelAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Ends all; what has arrived is kept.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (gate) closed = true;
        await closing.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(incoming.Values.Select(running => running.Ended)).ConfigureAwait(false);
        closing.Dispose();
    }

    /// <param name="request">The disk.</param>
    /// <param name="path">The path it arrives over; null for the ordinary network.</param>
    /// <param name="leavePath">What is done once it has ended with a path that is its own.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    private async Task<IncomingDiskOffer> PrepareAsync(
        IncomingDiskRequest request, LocalPathUse? path, Func<Task>? leavePath, CancellationToken cancellationToken)
    {
        MigrationListener entrance = path?.Listener ?? Entrance ?? throw VmRegistry.HostClosed();
        IncompleteDiskPlace place = await store.TakeAsync(request, cancellationToken).ConfigureAwait(false);
        IncomingOffer? offer = null;
        try
        {
            await RequireReplaceableAsync(request, place, cancellationToken).ConfigureAwait(false);
            IIncomingDisk disk = transport.Receive(request, place, store);
            lock (gate)
            {
                if (closed) throw VmRegistry.HostClosed();
                entrance.Register(disk);
                offer = entrance.MakeOffer(disk);
                incoming[request.TransferId] = new(disk, token => ReceiveAsync(disk, entrance, leavePath, token), closing.Token);
            }
        }
        catch
        {
            if (offer is null)
            {
                await store.KeepAsync(request.TransferId, MigrationErrorReason.Cancelled, "The transfer did not begin.").ConfigureAwait(false);
            }

            throw;
        }

        if (path is not null) offer = offer with { Address = path.DestinationAddress, PathId = request.PathId };
        return new(offer, place.DestinationPath, place.Resumption);
    }

    /// <summary>Refuses to replace an image that is in use: its VM would go on with the old one, without a name.</summary>
    private async Task RequireReplaceableAsync(IncomingDiskRequest request, IncompleteDiskPlace place, CancellationToken cancellationToken)
    {
        if (!request.Options.Overwrite || !File.Exists(place.DestinationPath)) return;
        DiskDescription present;
        try
        {
            present = await transport.DescribeAsync(parts.Options.Name, place.DestinationPath, cancellationToken).ConfigureAwait(false);
        }
        catch (MigrationException error) when (error.Reason is
            MigrationErrorReason.DiskFormatUnsupported or MigrationErrorReason.PrerequisiteMissing or MigrationErrorReason.DiskNotFound)
        {
            // What is no image of a VM here has no VM that writes it.
            return;
        }

        if (!present.IsBeingWritten) return;
        throw new MigrationException(
            MigrationErrorReason.DiskInUse, $"'{place.DestinationPath}' cannot be replaced: a process is writing it.",
            "Stop the VM that has the disk, or choose another path.");
    }

    private async Task ReceiveAsync(IIncomingDisk disk, MigrationListener entrance, Func<Task>? leavePath, CancellationToken withdraw)
    {
        try
        {
            await disk.RunAsync(withdraw).ConfigureAwait(false);
        }
        finally
        {
            entrance.Unregister(disk.OperationId);

            // Not before it was put there: it may have ended at once.
            lock (gate) incoming.TryRemove(disk.OperationId, out _);
            if (leavePath is not null) await leavePath().ConfigureAwait(false);
        }
    }

    private static void Validate(IncomingDiskRequest request)
    {
        request.Options.Validate();
        DiskDescription source = request.Source;
        if (Math.Max(source.VirtualSizeBytes, source.Generation.SizeBytes) > BlockDigests.MaxDiskBytes)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument,
                $"'{source.Path}' of host '{source.HostName}' is larger than the {BlockDigests.MaxDiskBytes >> 40} TiB that can be copied.",
                "Copy it by other means.");
        }

        if (request.TransferId != Guid.Empty && source.VirtualSizeBytes >= 0 && source.AllocatedBytes >= 0 && source.Generation.SizeBytes >= 0
            && source.Path.Length > 0)
        {
            return;
        }

        throw new MigrationException(
            MigrationErrorReason.InvalidArgument, $"The request for '{source.Path}' of host '{source.HostName}' describes no disk.",
            "Describe the disk on its host, and ask again.");
    }
}
