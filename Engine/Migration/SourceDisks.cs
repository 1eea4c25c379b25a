using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Serilog;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Moves a VM's disks from its source: frozen under overlays, the images below copied by disk transfers, the overlays mirrored, and all of it
/// ended while the VM is paused. Whatever fails before that, the VM goes on with the images it has.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Given up or completed within the run of the migration, which ends every part.")]
internal sealed class SourceDisks
{
    private const long SectorBytes = 512;

    private static readonly TimeSpan progressInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan closeLimit = TimeSpan.FromSeconds(30);

    private readonly IOutgoingVm place;
    private readonly IVmDisks vmDisks;
    private readonly MigrationRequest request;
    private readonly MigrationDialer dialer;
    private readonly IDiskCopies copies;
    private readonly MigrationStatusFeed feed;
    private readonly ILogger log;
    private readonly List<MovingDisk> disks = [];
    private readonly List<SourceDiskMirror> mirrors = [];
    private readonly CancellationTokenSource broken = new();
    private DiskConversation? conversation;
    private Task watching = Task.CompletedTask;
    private bool completing;

    /// <param name="place">The VM, which has disks.</param>
    /// <param name="request">Where it goes, and how.</param>
    /// <param name="dialer">Opens connections to the destination.</param>
    /// <param name="copies">Copies images to the destination.</param>
    /// <param name="feed">Hears how far it has come.</param>
    /// <param name="log">Takes what happens.</param>
    public SourceDisks(
        IOutgoingVm place, MigrationRequest request, MigrationDialer dialer, IDiskCopies copies, MigrationStatusFeed feed, ILogger log)
    {
        this.place = place;
        vmDisks = place.Machine.Disks ?? throw new ArgumentException("The VM has no disks.", nameof(place));
        this.request = request;
        this.dialer = dialer;
        this.copies = copies;
        this.feed = feed;
        this.log = log;
        Broken = broken.Token;
    }

    /// <summary>Cancelled once a mirror has failed, or the destination is gone.</summary>
    public CancellationToken Broken { get; }

    /// <summary>Why; null while nothing failed.</summary>
    public MigrationException? Failure { get; private set; }

    /// <summary>What ending the mirrors took while the VM stood still.</summary>
    public TimeSpan Downtime { get; private set; }

    /// <summary>What moving the disks did.</summary>
    public IReadOnlyList<VmDiskResult> Results => [.. disks.Select(disk => disk.ToResult())];

    /// <summary>
    /// Brings the disks to the destination while the VM runs; when the task ends all writes go to both sides, and the destination has the
    /// incoming VM.
    /// </summary>
    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        feed.MoveTo(MigrationState.CopyingDisks);
        conversation = new(await dialer.ConnectControlAsync(ConnectionRole.VmDisks, cancellationToken).ConfigureAwait(false));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, conversation.Broken);
        Task preparing = PrepareAsync(conversation, stop.Token);
        await Task.WhenAny(preparing, place.Machine.Exited).ConfigureAwait(false);
        if (place.Machine.Exited.IsCompleted) await stop.CancelAsync().ConfigureAwait(false);
        try
        {
            await preparing.ConfigureAwait(false);
            watching = WatchAsync(conversation);
        }
        catch (Exception) when (conversation.Failure is { } failure && !cancellationToken.IsCancellationRequested)
        {
            throw new MigrationException(failure.Reason, failure.Message, failure.RecommendedAction, failure);
        }
    }

    /// <summary>The VM is paused: when the task ends the destination has all that was written, and nothing reaches its disks from here.</summary>
    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        completing = true;
        foreach (SourceDiskMirror mirror in mirrors) await mirror.ReadProgressAsync(cancellationToken).ConfigureAwait(false);
        await Task.WhenAll(mirrors.Select(mirror => mirror.CompleteAsync(cancellationToken))).ConfigureAwait(false);
        await conversation!.SendAsync(FrameType.DisksMirrored, cancellationToken).ConfigureAwait(false);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(closeLimit);
        try
        {
            (await conversation.ReceiveAsync(limit.Token).ConfigureAwait(false)).Expect(FrameType.DisksClosed);
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new MigrationException(
                MigrationErrorReason.TimedOut, $"The destination did not close the disks in {closeLimit.TotalSeconds:F0} s.",
                "Look at the storage of the destination's disks.", error);
        }

        foreach (MovingDisk disk in disks) disk.Phase = VmDiskPhase.Moved;
        Downtime = Stopwatch.GetElapsedTime(start);
        await EndMirrorsAsync().ConfigureAwait(false);
        Report();
    }

    /// <summary>Ends everything that is under way; the VM keeps its disks. Safe to call at any time, also after the end.</summary>
    /// <param name="reason">Why, for the destination; null where it has all.</param>
    public async Task EndAsync(MigrationException? reason)
    {
        completing = true;
        DiskConversation? ending = conversation;
        conversation = null;
        if (ending is not null && reason is not null) await ending.AbortAsync(reason).ConfigureAwait(false);
        await EndMirrorsAsync().ConfigureAwait(false);
        if (ending is not null) await ending.DisposeAsync().ConfigureAwait(false);
        await watching.ConfigureAwait(false);
    }

    /// <summary>The VM runs at the destination and its copy here is gone: removes the files it had here.</summary>
    /// <returns>What could not be removed, in sentences.</returns>
    public IReadOnlyList<string> RemoveFiles() => [.. disks.SelectMany(disk => disk.RemoveFiles())];

    private async Task PrepareAsync(DiskConversation destination, CancellationToken cancellationToken)
    {
        await FreezeAsync(cancellationToken).ConfigureAwait(false);
        Report();
        foreach (MovingDisk disk in disks) await BringAsync(disk, destination, cancellationToken).ConfigureAwait(false);
        await destination.SendAsync(FrameType.PrepareVm, cancellationToken).ConfigureAwait(false);
        (await destination.ReceiveAsync(cancellationToken).ConfigureAwait(false)).Expect(FrameType.VmPrepared);
        await MirrorAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task FreezeAsync(CancellationToken cancellationToken)
    {
        Refuse(await vmDisks.FindAsync(cancellationToken).ConfigureAwait(false));

        // What the specification says comes first: an overlay that nothing has written yet reads as the image below, so that a VM that is
        // started from it after a crash is right whether or not it came to the freeze.
        List<QemuDisk> specified = [];
        foreach (QemuDisk disk in vmDisks.Specified)
        {
            specified.Add(disk.ReadOnly || disk.Base is not null
                ? disk : await OverlayImage.PutOnAsync(disk, mergePending: false, cancellationToken).ConfigureAwait(false));
        }

        await place.SpecifyDisksAsync(specified).ConfigureAwait(false);
        await vmDisks.FreezeAsync(cancellationToken).ConfigureAwait(false);
        IReadOnlyList<VmDiskNode> nodes = await vmDisks.FindAsync(cancellationToken).ConfigureAwait(false);
        Refuse(nodes);
        for (int index = 0; index < specified.Count; index++)
        {
            QemuDisk disk = specified[index];
            bool isRaw = (disk.Base?.Format ?? disk.Format) == "raw";
            DiskDescription image = await copies.DescribeAsync(disk.Base?.Path ?? disk.Path, cancellationToken).ConfigureAwait(false);
            RequireSameSize(nodes[index], image, isRaw);
            disks.Add(new(index, nodes[index], image, isRaw));
        }

        log.Information("The VM's disks are frozen under overlays");
    }

    private static void Refuse(IReadOnlyList<VmDiskNode> nodes)
    {
        if (nodes.FirstOrDefault(node => node.Refused is not null) is not { } refused) return;
        throw new MigrationException(MigrationErrorReason.PrerequisiteMissing, $"{refused.Name} cannot move: {refused.Refused}");
    }

    private static void RequireSameSize(VmDiskNode node, DiskDescription image, bool isRaw)
    {
        // The hypervisor rounds the size of a raw image up to whole sectors.
        long size = isRaw ? (image.Generation.SizeBytes + SectorBytes - 1) & -SectorBytes : image.VirtualSizeBytes;
        if (node.VirtualSizeBytes == size) return;
        throw new MigrationException(
            MigrationErrorReason.InvalidState,
            $"{node.Name} has {node.VirtualSizeBytes} bytes, the image below its overlay, '{image.Path}', {size}:"
            + " it was resized after an earlier migration had frozen it.",
            "Stop the VM, merge its overlay with qemu-img commit, and define the VM with the image below.");
    }

    private async Task BringAsync(MovingDisk disk, DiskConversation destination, CancellationToken cancellationToken)
    {
        disk.Phase = VmDiskPhase.Copying;
        var transferId = Guid.NewGuid();
        await destination.SendAsync(
            FrameType.BringDisk, new(disk.Index, transferId, disk.Image, disk.Flatten), VmDiskMessages.Default.BringDiskMessage,
            cancellationToken).ConfigureAwait(false);
        DiskPlaceMessage answer = (await destination.ReceiveAsync(cancellationToken).ConfigureAwait(false))
            .Expect(FrameType.DiskPlace).Read(VmDiskMessages.Default.DiskPlaceMessage);
        disk.DestinationPath = answer.DestinationPath;
        Report();
        if (answer.Offer is null)
        {
            log.Information("{Disk} is complete at the destination already", disk.Name);
            return;
        }

        long start = Stopwatch.GetTimestamp();
        var copy = new DiskTransferRequest(disk.Image.Path, answer.Offer, answer.Options);
        DiskTransferStatus status = await copies.RunAsync(
            copy,
            present =>
            {
                disk.Follow(present, Stopwatch.GetElapsedTime(start));
                Report();
            },
            cancellationToken).ConfigureAwait(false);
        if (status.State != DiskTransferState.Completed)
        {
            throw new MigrationException(
                status.ErrorReason == MigrationErrorReason.Invalid ? MigrationErrorReason.Cancelled : status.ErrorReason,
                $"{disk.Name} could not be copied: {status.ErrorMessage ?? "its transfer was stopped."}",
                status.RecommendedAction ?? "Start the migration again: it goes on from what has arrived.");
        }

        await destination.SendAsync(
            FrameType.DiskArrived, new(disk.Index), VmDiskMessages.Default.DiskArrivedMessage, cancellationToken).ConfigureAwait(false);
        (await destination.ReceiveAsync(cancellationToken).ConfigureAwait(false)).Expect(FrameType.DiskTaken);
    }

    private async Task MirrorAsync(CancellationToken cancellationToken)
    {
        foreach (MovingDisk disk in disks)
        {
            disk.Phase = disk.ReadOnly ? VmDiskPhase.Moved : VmDiskPhase.Mirroring;
            if (disk.ReadOnly) continue;
            mirrors.Add(await SourceDiskMirror
                .StartAsync(vmDisks, disk, dialer, request.Options.MaxBytesPerSecond, cancellationToken).ConfigureAwait(false));
        }

        Task ready = Task.WhenAll(mirrors.Select(mirror => mirror.Ready));
        while (!ready.IsCompleted)
        {
            // Only for those who watch: the end of the wait is the mirrors' own.
            await Task.WhenAny(ready, Task.Delay(progressInterval, cancellationToken)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            if (ready.IsCompleted) break;
            foreach (SourceDiskMirror mirror in mirrors) await mirror.ReadProgressAsync(cancellationToken).ConfigureAwait(false);
            Report();
        }

        await ready.ConfigureAwait(false);
        foreach (SourceDiskMirror mirror in mirrors)
        {
            await mirror.ReadProgressAsync(cancellationToken).ConfigureAwait(false);
            mirror.Disk.Phase = VmDiskPhase.Mirrored;
        }

        Report();
    }

    /// <summary>Notices from the end of the preparation on what would leave the destination's disks behind.</summary>
    private async Task WatchAsync(DiskConversation destination)
    {
        Task[] ends =
        [
            Task.Delay(Timeout.InfiniteTimeSpan, destination.Broken).ContinueWith(
                _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default),
            .. mirrors.Select(mirror => mirror.Ended),
        ];
        Task first = await Task.WhenAny(ends).ConfigureAwait(false);
        if (completing) return;
        Failure = destination.Failure ?? first.Exception?.InnerException as MigrationException
            ?? new MigrationException(MigrationErrorReason.HypervisorFailed, "The mirror of a disk ended before the switchover.");
        await broken.CancelAsync().ConfigureAwait(false);
    }

    private async Task EndMirrorsAsync()
    {
        foreach (SourceDiskMirror mirror in mirrors) await mirror.DisposeAsync().ConfigureAwait(false);
        mirrors.Clear();
    }

    private void Report() => feed.ReportDisks([.. disks.Select(disk => disk.ToProgress())]);
}
