using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// The directories that the guests of one host have their RAM files in: the ordinary one, and one on a file system of large pages for each
/// kind, which is mounted below the host's state directory (mode 0700) while a RAM file is on it.
/// </summary>
/// <remarks>
/// A mount outlives the engine as its VMs do; what a killed engine left is unmounted at the next start, by <see cref="RemoveUnused"/>. The
/// state directory belongs to one engine at a time, so a lock in this process is enough.
/// </remarks>
internal sealed class RamFileSystems(string stateDirectory, string baseDirectory, Func<KernelFeatures> features, LargePageSettings settings)
{
    /// <summary>What stands in the first column of the table of mounts (<c>findmnt -S vmmigration</c>).</summary>
    public const string MountSource = "vmmigration";

    // A limit, nothing is set aside: a file takes memory as its guest touches it. What is beyond stays with the machine itself.
    private const string HugeTmpfsOptions = "huge=always,mode=0700,size=90%";
    private const string HugeTlbOptions = "pagesize=2M,mode=0700";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly Lock gate = new();
    private readonly string hugeTmpfs = Path.Combine(stateDirectory, "ram-huge");
    private readonly string hugeTlb = Path.Combine(stateDirectory, "ram-hugetlb");

    /// <summary>
    /// Says why a new VM's RAM would not be on the pages its specification asks for; null where it would. Mounts nothing.
    /// </summary>
    public string? FindObstacle(VmSpecification specification)
    {
        switch (specification.Backing)
        {
            case MemoryBacking.TransparentHugePages:
                if (features().HugeTmpfsObstacle is { } noTmpfs) return noTmpfs;
                if (settings.IsHugeTmpfsDenied)
                {
                    return "Large pages of shared memory are switched off on this machine:"
                        + " /sys/kernel/mm/transparent_hugepage/shmem_enabled says deny"
                        + " (write 'never' to it, which still lets a mount have them).";
                }

                return MountTable.FindAt(hugeTmpfs) is null ? null : FindSpaceObstacle(specification);
            case MemoryBacking.HugeTlb:
                if (features().HugeTlbObstacle is { } noHugetlb) return noHugetlb;
                long needed = specification.MemoryBytes / LargePageSettings.PageSizeBytes;
                long free = settings.FreePoolPages;
                return free >= needed ? null : TooFewPages(specification, free);
            default:
                return null;
        }
    }

    /// <summary>
    /// Makes the files of a new VM, its RAM file on the pages its specification asks for, or on 4 KiB pages where those are not to be had.
    /// </summary>
    /// <param name="specification">The VM.</param>
    /// <param name="vmsDirectory">Where it gets a directory.</param>
    /// <returns>The files, and why the RAM is not on the pages that were asked for; null where it is.</returns>
    /// <exception cref="MigrationException">What <see cref="QemuInstanceFiles.Create"/> fails with.</exception>
    public (QemuInstancePaths Paths, string? LargePagesRefused) CreateFiles(VmSpecification specification, string vmsDirectory)
    {
        lock (gate)
        {
            string? refused = FindObstacle(specification);
            if (refused is null && DirectoryOf(specification.Backing) is { } directory)
            {
                refused = TryCreateOn(directory, specification, vmsDirectory, out QemuInstancePaths? onLargePages);
                if (onLargePages is not null) return (onLargePages, null);
            }

            QemuInstancePaths paths = QemuInstancePaths.ForNew(vmsDirectory, baseDirectory, specification.Id);
            CreateOrDelete(paths, specification);
            return (paths, refused);
        }
    }

    /// <summary>Unmounts what no RAM file is on any more. What something still uses stays for the next time.</summary>
    /// <returns>The directories that are gone.</returns>
    /// <exception cref="MigrationException">Where umount2(2) fails.</exception>
    public IReadOnlyList<string> RemoveUnused()
    {
        List<string> removed = [];
        lock (gate)
        {
            foreach (string directory in new[] { hugeTmpfs, hugeTlb })
            {
                if (!Directory.Exists(directory) || Directory.EnumerateFileSystemEntries(directory).Any()) continue;
                if (MountTable.FindAt(directory) is not null && !FileSystemMount.TryUnmount(directory)) continue;

                // Behind a mount over a mount there is another one, which may hold files.
                if (Directory.EnumerateFileSystemEntries(directory).Any() || MountTable.FindAt(directory) is not null) continue;
                Directory.Delete(directory);
                removed.Add(directory);
            }
        }

        return removed;
    }

    private string? DirectoryOf(MemoryBacking backing) => backing switch
    {
        MemoryBacking.TransparentHugePages => hugeTmpfs,
        MemoryBacking.HugeTlb => hugeTlb,
        _ => null,
    };

    /// <summary>Returns why the files cannot be there; null where they are.</summary>
    private string? TryCreateOn(string directory, VmSpecification specification, string vmsDirectory, out QemuInstancePaths? paths)
    {
        paths = null;
        try
        {
            EnsureMounted(directory);
        }
        catch (SystemCallException exception) when (exception.ErrorNumber is Errno.EPERM or Errno.EACCES or Errno.EINVAL or Errno.ENODEV)
        {
            // The right or the option is missing after all: a container, a kernel built without it.
            Directory.Delete(directory);
            return $"A file system of large pages cannot be mounted: {exception.Message}";
        }

        try
        {
            if (directory == hugeTmpfs && FindSpaceObstacle(specification) is { } tooSmall) return tooSmall;
            QemuInstancePaths chosen = QemuInstancePaths.ForNew(vmsDirectory, directory, specification.Id);
            CreateOrDelete(chosen, specification);
            if (directory == hugeTlb && !TryReserve(chosen, specification))
            {
                QemuInstanceFiles.Delete(chosen);
                return TooFewPages(specification, settings.FreePoolPages);
            }

            paths = chosen;
            return null;
        }
        finally
        {
            if (paths is null) RemoveUnused();
        }
    }

    private void EnsureMounted(string directory)
    {
        if (OperatingSystem.IsWindows()) throw new PlatformNotSupportedException("QEMU guests need Linux.");
        Directory.CreateDirectory(directory, OwnerOnly);
        if (MountTable.FindAt(directory) is not null) return;
        if (directory == hugeTmpfs) FileSystemMount.Mount("tmpfs", MountSource, directory, HugeTmpfsOptions);
        else FileSystemMount.Mount("hugetlbfs", MountSource, directory, HugeTlbOptions);
    }

    private static void CreateOrDelete(QemuInstancePaths paths, VmSpecification specification)
    {
        try
        {
            QemuInstanceFiles.Create(paths, specification.MemoryBytes);
        }
        catch
        {
            QemuInstanceFiles.Delete(paths);
            throw;
        }
    }

    /// <summary>
    /// Has the kernel promise the pages to the file (hugetlbfs_reserv.rst): a mapping asks for all of them, and the promise stays with the
    /// file.
    /// </summary>
    private static bool TryReserve(QemuInstancePaths paths, VmSpecification specification)
    {
        using var file = OpenFile.ForReadingAndWriting(paths.RamFile);
        try
        {
            MemoryMapping.MapSharedFile(file, specification.MemoryBytes).Dispose();
            return true;
        }
        catch (SystemCallException exception) when (exception.ErrorNumber == Errno.ENOMEM)
        {
            return false;
        }
    }

    private string? FindSpaceObstacle(VmSpecification specification)
    {
        long free = new DriveInfo(hugeTmpfs).AvailableFreeSpace;
        return free >= specification.MemoryBytes
            ? null
            : $"The file system of large pages has {free >> 20} MiB free, '{specification.Name}' takes"
                + $" {specification.MemoryBytes >> 20} MiB (mount -o remount,size=… {hugeTmpfs} makes it larger).";
    }

    private static string TooFewPages(VmSpecification specification, long free)
    {
        long needed = specification.MemoryBytes / LargePageSettings.PageSizeBytes;
        return $"'{specification.Name}' takes {needed} reserved pages of 2 MiB, and {free} are free"
            + $" (sysctl vm.nr_hugepages reserves them; add {needed - free} to its value).";
    }
}
