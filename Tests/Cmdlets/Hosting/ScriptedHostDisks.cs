using System.Runtime.CompilerServices;
using VmMigration.Engine.Disks;
using Reason = VmMigration.Engine.MigrationErrorReason;
using State = VmMigration.Engine.Disks.DiskTransferState;

namespace VmMigration.Cmdlets.Tests.Hosting;

/// <summary>Disks of a scripted host: nothing is copied; a test says how far transfers come, and how they end.</summary>
internal sealed class ScriptedHostDisks(string hostName) : IHostDisks
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, DiskDescription> disks = [];
    private readonly Dictionary<Guid, DiskTransferStatus> transfers = [];
    private readonly Dictionary<Guid, Engine.Disks.DiskFragment> fragments = [];
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Complete each transfer as soon as it is started.</summary>
    public bool CompletesAtOnce { get; set; }

    /// <summary>The requests this host prepared for, in their order.</summary>
    public List<IncomingDiskRequest> Requests { get; } = [];

    /// <summary>Gives the host a disk.</summary>
    public void Add(string path, long sizeBytes, bool isBeingWritten = false) => disks[path] = new()
    {
        HostName = hostName,
        Path = path,
        Format = path.EndsWith(".qcow2", StringComparison.Ordinal) ? Engine.Disks.DiskFormat.Qcow2 : Engine.Disks.DiskFormat.Raw,
        VirtualSizeBytes = sizeBytes,
        AllocatedBytes = sizeBytes / 2,
        Generation = new(sizeBytes, 1, 2, 1_700_000_000_000_000_000, 1_700_000_000_000_000_000),
        IsBeingWritten = isBeingWritten,
    };

    /// <summary>Lets all transfers under way come so far.</summary>
    public void Advance(int percent) => ChangeAll(status => status with
    {
        DoneBytes = status.SizeBytes * percent / 100,
        DurableOffsetBytes = status.SizeBytes * percent / 100,
        SentBytes = (status.SizeBytes * percent / 100) - status.Resumption.OffsetBytes,
        BytesPerSecond = 100 << 20,
    });

    /// <summary>Ends all transfers under way.</summary>
    public void Complete() => ChangeAll(Completed);

    /// <summary>Breaks all transfers under way.</summary>
    public void Fail(Reason reason, string message) => ChangeAll(status => KeptAs(status, State.Failed, reason, message));

    public Task<DiskDescription> DescribeDiskAsync(string path, CancellationToken cancellationToken) => disks.TryGetValue(path, out DiskDescription? disk)
        ? Task.FromResult(disk)
        : Task.FromException<DiskDescription>(new Engine.MigrationException(Reason.DiskNotFound, $"Host {hostName} has no disk '{path}'."));

    public Task<IncomingDiskOffer> PrepareIncomingDiskAsync(IncomingDiskRequest request, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            Requests.Add(request);
            string path = request.DestinationPath ?? Path.GetFileName(request.Source.Path);
            if (!path.StartsWith('/')) path = $"/datastore/{path}";
            Engine.Disks.DiskFragment? fragment = request.Options.UseFragment
                ? fragments.Values.FirstOrDefault(one => one.Source.Path == request.Source.Path && one.DestinationPath == path)
                : null;
            if (fragment is not null) fragments.Remove(fragment.Id);
            return Task.FromResult(new IncomingDiskOffer(
                new(request.TransferId, hostName, "127.0.0.1", 1, new byte[32]), path, fragment is null
                    ? Engine.Disks.DiskResumption.Fresh
                    : new(Engine.Disks.DiskResumptionKind.Continued, fragment.Id, fragment.OffsetBytes, "The disk is as it was.")));
        }
    }

    public Task WithdrawIncomingDiskAsync(Guid transferId, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<DiskTransferStatus> StartDiskTransferAsync(DiskTransferRequest request, CancellationToken cancellationToken)
    {
        DiskDescription disk = disks[request.SourcePath];
        var status = new DiskTransferStatus
        {
            Id = request.Offer.Offer.MigrationId,
            SourceHostName = hostName,
            SourcePath = disk.Path,
            DestinationHostName = request.Offer.Offer.DestinationHostName,
            DestinationPath = request.Offer.DestinationPath,
            Options = request.Options,
            State = State.Transferring,
            Resumption = request.Offer.Resumption,
            StartedAt = DateTimeOffset.UtcNow,
            SizeBytes = disk.VirtualSizeBytes,
            DoneBytes = request.Offer.Resumption.OffsetBytes,
        };
        Change(status.Id, _ => CompletesAtOnce ? Completed(status) : status);
        return Task.FromResult(status);
    }

    public Task<IReadOnlyList<DiskTransferStatus>> ListDiskTransfersAsync(CancellationToken cancellationToken)
    {
        lock (gate) return Task.FromResult<IReadOnlyList<DiskTransferStatus>>([.. transfers.Values]);
    }

    public Task<DiskTransferStatus> GetDiskTransferAsync(Guid transferId, CancellationToken cancellationToken)
    {
        lock (gate) return Task.FromResult(transfers[transferId]);
    }

    public async IAsyncEnumerable<DiskTransferStatus> WatchDiskTransferAsync(
        Guid transferId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            DiskTransferStatus current;
            Task next;
            lock (gate) (current, next) = (transfers[transferId], changed.Task);
            yield return current;
            if (current.HasEnded) yield break;
            await next.WaitAsync(cancellationToken);
        }
    }

    public Task<DiskTransferStatus> SuspendDiskTransferAsync(Guid transferId, CancellationToken cancellationToken) =>
        Task.FromResult(Change(transferId, status => Unended(status!) with { State = State.Suspended }));

    public Task<DiskTransferStatus> ResumeDiskTransferAsync(Guid transferId, CancellationToken cancellationToken) =>
        Task.FromResult(Change(transferId, status => Unended(status!) with { State = State.Transferring }));

    public Task<DiskTransferStatus> CancelDiskTransferAsync(Guid transferId, CancellationToken cancellationToken) => Task.FromResult(
        Change(transferId, status => status!.HasEnded ? status : KeptAs(status, State.Cancelled, Reason.Cancelled, "Somebody stopped it.")));

    public Task<IReadOnlyList<Engine.Disks.DiskFragment>> ListDiskFragmentsAsync(CancellationToken cancellationToken)
    {
        lock (gate) return Task.FromResult<IReadOnlyList<Engine.Disks.DiskFragment>>([.. fragments.Values]);
    }

    public Task RemoveDiskFragmentAsync(Guid fragmentId, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            return fragments.Remove(fragmentId)
                ? Task.CompletedTask
                : Task.FromException(new Engine.MigrationException(Reason.DiskFragmentNotFound, $"Host {hostName} keeps no fragment {fragmentId}."));
        }
    }

    private static DiskTransferStatus Unended(DiskTransferStatus status) => !status.HasEnded
        ? status
        : throw new Engine.MigrationException(Reason.InvalidState, $"Transfer {status.Id} has ended: {status.State}.");

    private static DiskTransferStatus Completed(DiskTransferStatus status) => status with
    {
        State = State.Completed,
        DoneBytes = status.SizeBytes,
        SentBytes = status.SizeBytes - status.Resumption.OffsetBytes,
        EndedAt = DateTimeOffset.UtcNow,
        Digest = new string('d', 32),
    };

    private DiskTransferStatus KeptAs(DiskTransferStatus status, State state, Reason reason, string message)
    {
        var destination = (ScriptedHostDisks)HostRegistry.Get(status.DestinationHostName).Disks;
        var fragment = new Engine.Disks.DiskFragment
        {
            Id = status.Id,
            Source = disks[status.SourcePath],
            DestinationPath = status.DestinationPath,
            DestinationFormat = status.Options.DestinationFormat,
            Path = $"/datastore/.fragments/{status.Id}",
            SizeBytes = status.SizeBytes,
            OffsetBytes = status.DurableOffsetBytes,
            AllocatedBytes = status.DurableOffsetBytes,
            Digest = new string('f', 32),
            StoredAt = DateTimeOffset.UtcNow,
            Reason = reason,
            Message = message,
        };
        lock (destination.gate) destination.fragments[fragment.Id] = fragment;
        return status with
        {
            State = state,
            EndedAt = DateTimeOffset.UtcNow,
            FragmentId = fragment.Id,
            ErrorReason = reason,
            ErrorMessage = message,
        };
    }

    private void ChangeAll(Func<DiskTransferStatus, DiskTransferStatus> change)
    {
        DiskTransferStatus[] underWay;
        lock (gate) underWay = [.. transfers.Values.Where(status => !status.HasEnded)];
        foreach (DiskTransferStatus status in underWay) Change(status.Id, current => change(current!));
    }

    private DiskTransferStatus Change(Guid id, Func<DiskTransferStatus?, DiskTransferStatus> change)
    {
        TaskCompletionSource told;
        DiskTransferStatus next;
        lock (gate)
        {
            next = transfers[id] = change(transfers.GetValueOrDefault(id));
            (told, changed) = (changed, new(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        told.SetResult();
        return next;
    }
}
