using VmMigration.Engine.Disks;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Native;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>The disks of one VM that is to arrive with them: where each comes to, what of it is there, and what the VM is made from then.</summary>
/// <param name="request">What was agreed on.</param>
/// <param name="datastore">Where the host's disks lie.</param>
/// <param name="journal">Knows what earlier tries brought.</param>
/// <param name="registry">Knows which images VMs of this host use.</param>
/// <param name="prepare">Makes room for an image.</param>
internal sealed class ArrivingDisks(
    IncomingRequest request, DiskDatastore datastore, ArrivedDiskJournal journal, VmRegistry registry,
    Func<IncomingDiskRequest, CancellationToken, Task<IncomingDiskOffer>> prepare)
{
    private readonly SortedDictionary<int, Arrival> arrivals = [];

    /// <summary>Where a disk of the VM comes to on this host.</summary>
    /// <param name="datastore">Where the host's disks lie.</param>
    /// <param name="options">The migration's.</param>
    /// <param name="sourcePath">Its image at the source.</param>
    /// <param name="taken">The paths of the VM's other disks.</param>
    public static string ChoosePath(DiskDatastore datastore, MigrationOptions options, string sourcePath, IEnumerable<string> taken)
    {
        string name = Path.GetFileName(sourcePath);
        string path = datastore.Resolve(options.DiskDirectory is { } directory ? Path.Combine(directory, name) : name);
        for (int number = 2; taken.Contains(path); number++)
        {
            path = Path.Combine(
                Path.GetDirectoryName(path)!, $"{Path.GetFileNameWithoutExtension(name)}-{number}{Path.GetExtension(name)}");
        }

        return path;
    }

    /// <summary>Says where a disk comes to, and makes room for it unless it is there.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where another file has its path, and what keeps it from being brought.
    /// </exception>
    public async Task<DiskPlaceMessage> PlaceAsync(BringDiskMessage disk, CancellationToken cancellationToken)
    {
        RequireDisk(disk);
        string path = ChoosePath(datastore, request.Options, disk.Image.Path, arrivals.Values.Select(other => other.Path));
        arrivals.Add(disk.Index, new(path, disk));
        ArrivedKind kind = Look(path, disk.Image, disk.Flatten, journal, registry);
        if (kind == ArrivedKind.Foreign) throw PathTaken(path);
        DiskTransferOptions options = DiskCopyOptions.For(request.Options, disk.Flatten) with { Overwrite = kind == ArrivedKind.Outdated };
        if (kind == ArrivedKind.Complete) return new(path, null, options);
        IncomingDiskOffer offer = await prepare(
            new(disk.TransferId, disk.Image, path, options) { PathId = request.PathId }, cancellationToken).ConfigureAwait(false);
        return new(path, offer, options);
    }

    /// <summary>A disk has been brought: another try need not bring it again.</summary>
    public void Take(int index)
    {
        if (!arrivals.TryGetValue(index, out Arrival? arrival) || FileStatus.TryRead(arrival.Path) is not { } file)
        {
            throw new MigrationException(MigrationErrorReason.ProtocolViolation, $"The source says that disk {index} has arrived; it has not.");
        }

        journal.Save(new(arrival.Path, arrival.Disk.Image, arrival.Disk.Flatten, GenerationOf(file)));
    }

    /// <summary>What the incoming VM is made from: its disks here, an overlay on top of each that the guest writes.</summary>
    public VmSpecification Specify()
    {
        QemuGuest guest = request.Specification.Qemu!;
        if (arrivals.Count != guest.Disks.Count)
        {
            throw new MigrationException(
                MigrationErrorReason.ProtocolViolation, $"The source brought {arrivals.Count} of {guest.Disks.Count} disks.");
        }

        List<QemuDisk> disks = [];
        foreach ((int index, Arrival arrival) in arrivals)
        {
            // Not what the image looks like: a guest that has a raw disk writes its first bytes, too.
            QemuDisk there = guest.Disks[index];
            string format = arrival.Disk.Flatten ? "qcow2" : there.Base?.Format ?? there.Format;
            var disk = new QemuDisk(arrival.Path, format, there.ReadOnly);
            disks.Add(disk.ReadOnly ? disk : OverlayImage.Choose(disk, mergePending: true));
        }

        return request.Specification with { Qemu = guest with { Disks = disks } };
    }

    /// <summary>The images are a VM's of this host now.</summary>
    public void Settle()
    {
        foreach (Arrival arrival in arrivals.Values) journal.Delete(arrival.Path);
    }

    /// <summary>What there is at a path that an image is to come to.</summary>
    public static ArrivedKind Look(
        string path, DiskDescription image, bool flatten, ArrivedDiskJournal journal, VmRegistry registry)
    {
        if (FileStatus.TryRead(path) is not { } file) return ArrivedKind.Nothing;
        bool ours = journal.Find(path) is { } arrived && arrived.Generation == GenerationOf(file) && !IsUsed(path, registry);
        if (!ours) return ArrivedKind.Foreign;
        arrived = journal.Find(path)!;
        bool same = arrived.Source.HostName == image.HostName && arrived.Source.Path == image.Path
            && arrived.Source.Generation == image.Generation && arrived.Flattened == flatten;
        return same ? ArrivedKind.Complete : ArrivedKind.Outdated;
    }

    /// <summary>The error for a path that another file has.</summary>
    public static MigrationException PathTaken(string path) => new(
        MigrationErrorReason.InvalidState, $"A file has the path '{path}' already that a disk of the VM is to come to.",
        "Name another directory for the VM's disks, or move that file away.");

    private static DiskGeneration GenerationOf(FileStatus file) =>
        new(file.SizeBytes, file.DeviceId, file.Inode, file.ModifiedNanoseconds, file.ChangedNanoseconds);

    private static bool IsUsed(string path, VmRegistry registry) => registry.List()
        .SelectMany(slot => slot.Specification.Qemu?.Disks ?? [])
        .Any(disk => disk.Path == path || disk.Base?.Path == path);

    private void RequireDisk(BringDiskMessage disk)
    {
        if (disk.Index >= 0 && disk.Index < request.Specification.Qemu!.Disks.Count && !arrivals.ContainsKey(disk.Index)) return;
        throw new MigrationException(
            MigrationErrorReason.ProtocolViolation, $"The source brings disk {disk.Index}, which is none of the VM's or was brought before.");
    }

    private sealed record Arrival(string Path, BringDiskMessage Disk);
}
