using System.Collections.Concurrent;
using Serilog;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Disks;

/// <summary>The incomplete disks of one host: those that arrive, and the fragments of those that did not. One process uses it at a time.</summary>
/// <param name="hostName">Name of the host.</param>
/// <param name="datastore">Where disks without an absolute path lie.</param>
/// <param name="records">The host's records.</param>
/// <param name="files">What is done to files.</param>
/// <param name="retention">How long fragments are kept, and how much of them.</param>
/// <param name="clock">Tells their age.</param>
/// <param name="log">The host's log.</param>
internal sealed class FragmentStore(
    string hostName, DiskDatastore datastore, ITransferRecords records, IFragmentFiles files, FragmentRetention retention, TimeProvider clock,
    ILogger log) : IIncompleteDisks
{
    private readonly AsyncLock gate = new();
    private readonly ConcurrentDictionary<Guid, ArrivingDisk> arriving = new();
    private readonly FragmentPlaces places = new(datastore.Directory, hostName, files);
    private readonly FragmentMoves moves = new(records, files, new(datastore.Directory, hostName, files), clock);

    /// <summary>
    /// Puts what a killed engine left into order: after it each record has its files, and no file of the store is without a record. Comes
    /// before anything arrives.
    /// </summary>
    public Task RecoverAsync(CancellationToken cancellationToken) => RunAsync(() =>
    {
        SettleIdle();
        RemoveStrays();
        Prune();
        return true;
    }, cancellationToken);

    /// <summary>Tries again what failed before, and removes the fragments that are past their limits.</summary>
    public Task TidyAsync(CancellationToken cancellationToken) => RunAsync(() =>
    {
        SettleIdle();
        Prune();
        return true;
    }, cancellationToken);

    /// <summary>The fragments that are kept, the oldest first.</summary>
    public Task<IReadOnlyList<DiskFragment>> ListAsync(CancellationToken cancellationToken) =>
        RunAsync<IReadOnlyList<DiskFragment>>(List, cancellationToken);

    /// <summary>Removes a fragment, file and record.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.DiskFragmentNotFound"/>; <see cref="MigrationErrorReason.InvalidState"/> while a transfer goes on from it.
    /// </exception>
    public Task RemoveAsync(Guid fragmentId, CancellationToken cancellationToken) => RunAsync(() =>
    {
        if (arriving.Values.FirstOrDefault(disk => disk.FragmentId == fragmentId || disk.TransferId == fragmentId) is { } user)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState, $"Transfer {user.TransferId} goes on from fragment {fragmentId}.",
                "Wait for it, or stop it first.");
        }

        if (records.Find(fragmentId) is not { State: TransferRecordState.Kept } record)
        {
            throw DiskRefusals.FragmentNotFound(fragmentId, hostName);
        }

        moves.Remove(record);
        log.Information("Removed disk fragment {FragmentId} of '{Path}'", fragmentId, record.DestinationPath);
        return true;
    }, cancellationToken);

    /// <summary>Removes every fragment.</summary>
    public Task ClearAsync() => RunAsync(() =>
    {
        foreach (TransferRecord record in records.ReadAll().Where(record => !arriving.ContainsKey(record.Id))) moves.Remove(record);
        return true;
    }, CancellationToken.None);

    /// <inheritdoc/>
    /// <exception cref="MigrationException">As <see cref="IHostDisks.PrepareIncomingDiskAsync"/>.</exception>
    public Task<IncompleteDiskPlace> TakeAsync(IncomingDiskRequest request, CancellationToken cancellationToken) =>
        RunAsync(() => Take(request), cancellationToken);

    /// <inheritdoc/>
    public void SaveProgress(Guid transferId, long offsetBytes, string digest)
    {
        ArrivingDisk disk = Find(transferId);
        long fileBytes = files.Find(disk.FilePath)?.SizeBytes ?? 0;
        if (!disk.NamesSynced)
        {
            // fsync(2): syncing a file does not make its name durable.
            files.SyncDirectory(Path.GetDirectoryName(disk.FilePath)!);
            disk.NamesSynced = true;
        }

        records.SaveProgress(transferId, offsetBytes, fileBytes, digest);
    }

    /// <inheritdoc/>
    /// <remarks>A fragment that the transfer took and never wrote is given back as it was, with its own id.</remarks>
    public Task<DiskFragment?> KeepAsync(Guid transferId, MigrationErrorReason reason, string message) => RunAsync(() =>
    {
        ArrivingDisk disk = Find(transferId);
        try
        {
            TransferRecord record = records.Find(transferId) ?? throw Forgotten(transferId);
            bool untouched = record.TakenFrom is not null && files.Find(disk.FilePath)?.ModifiedNanoseconds == disk.ModifiedNanoseconds
                && record.OffsetBytes == disk.OffsetBytes;
            TransferRecord? kept = untouched ? moves.GiveBack(record, record.TakenFrom!) : moves.Keep(record, reason, message);
            if (kept is null) return null;
            log.Information("Kept what arrived of '{Path}' as fragment {FragmentId}: {Offset} of {Size} bytes are there for good",
                kept.DestinationPath, kept.Id, kept.OffsetBytes, kept.SizeBytes);
            return Prune().Contains(kept.Id) ? null : ToFragment(kept);
        }
        finally
        {
            // Whatever failed is in order in the records, and tried again when the store is tidied.
            arriving.TryRemove(transferId, out _);
        }
    }, CancellationToken.None);

    /// <inheritdoc/>
    public Task CompleteAsync(Guid transferId) => RunAsync(() =>
    {
        ArrivingDisk disk = Find(transferId);
        TransferRecord record = records.Find(transferId) ?? throw Forgotten(transferId);
        if (!moves.Complete(record))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState, $"A file has the path '{record.DestinationPath}' by now: the disk that arrived keeps its place.",
                "Move that file away, or allow it to be replaced, and start the transfer again: it goes on from its fragment.");
        }

        arriving.TryRemove(transferId, out _);
        log.Information("'{Path}' of host {Host} is complete as '{DestinationPath}'", record.Source.Path, record.Source.HostName, disk.DestinationPath);
        return true;
    }, CancellationToken.None);

    private IncompleteDiskPlace Take(IncomingDiskRequest request)
    {
        string path = datastore.Resolve(request.DestinationPath ?? Path.GetFileName(request.Source.Path));
        datastore.MakeDirectoryFor(path);
        RequireFree(path, request);
        IReadOnlyList<FragmentEvidence> fragments = !request.Options.UseFragment ? [] : FindFragments(request, path);
        DiskResumption resumption = DiskResumptionDecision.Decide(request, fragments);
        FragmentEvidence? fragment = fragments.FirstOrDefault(one => one.Record.Id == resumption.FragmentId);
        DiskSpaceNeed.Require(request, fragment?.AllocatedBytes ?? 0, files.CountAvailableBytes(Path.GetDirectoryName(path)!), path);
        if (resumption.Kind == DiskResumptionKind.Anew && fragment!.Record.DestinationPath == path) moves.Remove(fragment.Record);
        DiskFragment? taken = resumption.Kind is DiskResumptionKind.Continued or DiskResumptionKind.Compared
            ? fragment!.Record.ToFragment(fragment.AllocatedBytes) : null;
        TransferRecord record = TakePlace(request, path, resumption, taken is null ? null : fragment!.Record);
        arriving[request.TransferId] = new(
            request.TransferId, path, record.FilePath, taken?.Id, record.OffsetBytes, files.Find(record.FilePath)?.ModifiedNanoseconds);
        log.Information("Took a place for '{Path}': {Resumption}, {Reason}", path, resumption.Kind, resumption.Reason);
        return new(request.TransferId, record.FilePath, record.DigestsPath, path, resumption, taken);
    }

    private TransferRecord TakePlace(IncomingDiskRequest request, string path, DiskResumption resumption, TransferRecord? fragment)
    {
        bool continued = resumption.Kind == DiskResumptionKind.Continued;
        var record = new TransferRecord
        {
            Id = request.TransferId,
            State = TransferRecordState.Arriving,
            Source = request.Source,
            DestinationPath = path,
            DestinationFormat = request.Options.DestinationFormat,
            Overwrite = request.Options.Overwrite,
            OffsetBytes = continued ? fragment!.OffsetBytes : 0,
            FileBytes = continued ? fragment!.FileBytes : 0,
            Digest = continued ? fragment!.Digest : BlockDigests.Fold([]),
            Place = FragmentPlaces.Arriving(path, request.TransferId),
            FormerPlace = fragment?.Place,
            RecordedAt = clock.GetUtcNow(),
            TakenFrom = fragment,
        };
        if (fragment is null)
        {
            records.Save(record);
            return record;
        }

        records.Replace(fragment.Id, record);
        return moves.FinishMove(record);
    }

    private void RequireFree(string path, IncomingDiskRequest request)
    {
        if (records.Find(request.TransferId) is not null)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"Host '{hostName}' knows of a transfer {request.TransferId} already.",
                "Give each transfer an id of its own.");
        }

        if (arriving.Values.FirstOrDefault(disk => IsSamePath(disk.DestinationPath, path)) is { } other)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState, $"Transfer {other.TransferId} is bringing a disk to '{path}' already.",
                "Wait for it or stop it, or choose another path.");
        }

        if (files.Find(path) is not { } present) return;
        if (!present.IsRegular)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"'{path}' is no regular file: a disk cannot take its place.", "Choose another path.");
        }

        if (string.Equals(request.Source.HostName, hostName, StringComparison.OrdinalIgnoreCase) && IsSamePath(request.Source.Path, path))
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument, $"'{path}' cannot be copied onto itself.", "Choose another path.");
        }

        if (request.Options.Overwrite) return;
        throw new MigrationException(
            MigrationErrorReason.InvalidState, $"Host '{hostName}' has a file '{path}' already.",
            "Choose another path, remove the file, or allow it to be replaced (Overwrite).");
    }

    private bool IsSamePath(string path, string other) =>
        string.Equals(Path.GetFileName(path), Path.GetFileName(other), StringComparison.Ordinal)
        && files.IsSameDirectory(Path.GetDirectoryName(path)!, Path.GetDirectoryName(other)!);

    private IReadOnlyList<FragmentEvidence> FindFragments(IncomingDiskRequest request, string path)
    {
        string directory = Path.GetDirectoryName(path)!;
        return
        [
            .. records.ReadAll()
                .Where(record => record is { State: TransferRecordState.Kept, FormerPlace: null } && record.IsOf(request))
                .Where(record => files.SharesMount(Path.GetDirectoryName(record.Place)!, directory))
                .OrderByDescending(record => string.Equals(record.DestinationPath, path, StringComparison.Ordinal))
                .ThenByDescending(record => record.RecordedAt)
                .Select(record => FragmentEvidence.Gather(record, files))
                .OfType<FragmentEvidence>(),
        ];
    }

    private IReadOnlyList<DiskFragment> List() =>
        [.. records.ReadAll().Where(record => record.State == TransferRecordState.Kept).Select(ToFragment)];

    private DiskFragment ToFragment(TransferRecord record) => record.ToFragment(files.Find(record.FilePath)?.AllocatedBytes ?? 0);

    /// <summary>Settles what nobody works on; one that fails does not keep the others.</summary>
    private void SettleIdle()
    {
        foreach (TransferRecord record in records.ReadAll().Where(record => !arriving.ContainsKey(record.Id)))
        {
            try
            {
                TransferRecord? kept = moves.Settle(record);
                if (record.State == TransferRecordState.Kept && kept == record) continue;
                log.Warning("Put what was left of '{Path}' into order: {Outcome}", record.DestinationPath,
                    kept is null ? "nothing is kept" : $"fragment {kept.Id}, {kept.OffsetBytes} bytes");
            }
            catch (MigrationException error)
            {
                log.Error(error, "What was left of '{Path}' could not be put into order; it is tried again", record.DestinationPath);
            }
        }
    }

    /// <summary>Removes files of the store that no record names: their journal was lost.</summary>
    private void RemoveStrays()
    {
        HashSet<string> known = [.. records.ReadAll().SelectMany(record => new[] { record.Place, record.FormerPlace }).OfType<string>()];
        foreach (string path in files.List(places.StoreDirectory))
        {
            if (Path.GetExtension(path) is not (TransferRecord.FileEnding or TransferRecord.DigestsEnding)) continue;
            if (known.Contains(Path.ChangeExtension(path, null))) continue;
            log.Warning("Removed '{Path}', which no record names", path);
            files.Delete(path);
        }
    }

    private HashSet<Guid> Prune()
    {
        HashSet<Guid> gone = [];
        foreach (DiskFragment fragment in retention.Choose(List(), clock.GetUtcNow()))
        {
            try
            {
                if (records.Find(fragment.Id) is { } record) moves.Remove(record);
                gone.Add(fragment.Id);
                log.Information("Removed disk fragment {FragmentId} of '{Path}': it was past the limits", fragment.Id, fragment.DestinationPath);
            }
            catch (MigrationException error)
            {
                log.Error(error, "Disk fragment {FragmentId} is past the limits and could not be removed; it is tried again", fragment.Id);
            }
        }

        return gone;
    }

    private ArrivingDisk Find(Guid transferId) => arriving.TryGetValue(transferId, out ArrivingDisk? disk) ? disk : throw Forgotten(transferId);

    private static MigrationException Forgotten(Guid transferId) => new(
        MigrationErrorReason.DiskTransferNotFound, $"No disk of transfer {transferId} is arriving here.");

    private async Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        using AsyncLock.Holder holder = await gate.EnterAsync(cancellationToken).ConfigureAwait(false);

        // Off the caller's thread: removing a large file takes its file system a while.
        return await Task.Run(work, CancellationToken.None).ConfigureAwait(false);
    }

    private sealed record ArrivingDisk(
        Guid TransferId, string DestinationPath, string FilePath, Guid? FragmentId, long OffsetBytes, long? ModifiedNanoseconds)
    {
        public bool NamesSynced { get; set; }
    }
}
