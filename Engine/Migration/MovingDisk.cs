using VmMigration.Engine.Disks;
using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Migration;

/// <summary>One disk of a VM that moves with it, as its source knows it.</summary>
/// <param name="index">Which of the VM's disks, in the order of its specification.</param>
/// <param name="node">As the hypervisor has it open, frozen unless it is read-only.</param>
/// <param name="image">The image that is copied; nothing writes it.</param>
/// <param name="isRaw">
/// Whether the hypervisor has it open as raw: what its guest writes may then look like the header of another format, and is not believed.
/// </param>
internal sealed class MovingDisk(int index, VmDiskNode node, DiskDescription image, bool isRaw)
{
    private DiskTransferStatus? copy;
    private TimeSpan copyTime;
    private TimeSpan mirrorTime;
    private long mirroredBytes;
    private IReadOnlyList<string> filesLeft = node.IsFrozen ? [image.Path, node.Path] : [image.Path];

    /// <summary>Which of the VM's disks.</summary>
    public int Index => index;

    /// <summary>Its name.</summary>
    public string Name => node.Name;

    /// <summary>Whether the guest may not write it.</summary>
    public bool ReadOnly => node.ReadOnly;

    /// <summary>The image that is copied.</summary>
    public DiskDescription Image => image;

    /// <summary>Whether the image is an overlay itself: what is inside is copied into one image then.</summary>
    public bool Flatten => !isRaw && image.BackingPath is not null;

    /// <summary>Where it stands.</summary>
    public VmDiskPhase Phase { get; set; } = VmDiskPhase.Waiting;

    /// <summary>Where it goes to; null before the destination has said so.</summary>
    public string? DestinationPath { get; set; }

    /// <summary>Takes over what its transfer says.</summary>
    public void Follow(DiskTransferStatus status, TimeSpan elapsed)
    {
        copy = status;
        copyTime = elapsed;
    }

    /// <summary>Takes over how far its mirror is.</summary>
    public void FollowMirror(long doneBytes, TimeSpan elapsed)
    {
        mirroredBytes = Math.Max(mirroredBytes, doneBytes);
        mirrorTime = elapsed;
    }

    /// <summary>Takes over what its mirror did after it was ready.</summary>
    public void EndMirror(long doneBytes) => mirroredBytes = Math.Max(mirroredBytes, doneBytes);

    /// <summary>Removes the files at the source that were the VM's own; what cannot be removed stays named.</summary>
    /// <returns>What could not be removed, in sentences.</returns>
    public IReadOnlyList<string> RemoveFiles()
    {
        if (ReadOnly) return [];
        List<string> failures = [];
        List<string> left = [];
        foreach (string path in filesLeft)
        {
            try
            {
                File.Delete(path);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                left.Add(path);
                failures.Add($"The source's file '{path}' could not be removed: {error.Message}");
            }
        }

        filesLeft = left;
        return failures;
    }

    /// <summary>How far it has come.</summary>
    public VmDiskProgress ToProgress()
    {
        long size = copy?.SizeBytes ?? image.Generation.SizeBytes;
        bool copied = Phase is not (VmDiskPhase.Waiting or VmDiskPhase.Copying);
        return new(
            Name, image.Path, DestinationPath, Phase, size, copied ? size : copy?.DoneBytes ?? 0, copy?.SentBytes ?? 0, mirroredBytes,
            Phase == VmDiskPhase.Copying ? copy?.BytesPerSecond ?? 0 : 0)
        {
            Resumption = copy?.Resumption,
        };
    }

    /// <summary>What moving it did.</summary>
    public VmDiskResult ToResult() => new()
    {
        Name = Name,
        DestinationPath = DestinationPath ?? throw new InvalidOperationException("A disk has a result once it has arrived."),
        SizeBytes = copy?.SizeBytes ?? image.Generation.SizeBytes,
        BytesSent = copy?.SentBytes ?? 0,
        BytesResumed = copy is null ? image.Generation.SizeBytes : copy.Resumption.OffsetBytes + copy.UnchangedBytes,
        Resumption = copy?.Resumption,
        CopyTime = copyTime,
        BytesMirrored = mirroredBytes,
        MirrorTime = mirrorTime,
        FilesLeftAtSource = filesLeft,
    };
}
