using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>The large pages of one QEMU's RAM: how much is mapped by them, how an incoming VM gets them, how they come back.</summary>
/// <param name="process">The QEMU.</param>
/// <param name="ram">Its RAM.</param>
/// <param name="features">What the kernel gives.</param>
internal sealed class QemuLargePages(QemuProcess process, QemuRam ram, KernelFeatures features)
{
    private const long RegionPages = LargePageSettings.PageSizeBytes / GuestMemory.PageSizeBytes;

    /// <summary>
    /// Why nothing can be mapped before the guest touches it; null where it can. Mapping the parts of a large page one by one would cost
    /// the guest the large page, so that leaving it to the guest's faults, one for 2 MiB, is the better of the two.
    /// </summary>
    public string? PopulationObstacle =>
        features.PopulationObstacle ?? (ram.Backing == MemoryBacking.TransparentHugePages ? features.LargePopulationObstacle : null);

    /// <summary>What the populator's userfaultfd must have been made with.</summary>
    public UserfaultfdFeatures PopulatorFeatures => ram.Backing == MemoryBacking.HugeTlb
        ? UserfaultfdPopulator.RequiredFeaturesForHugetlb
        : UserfaultfdPopulator.RequiredFeatures;

    /// <summary>Says why RAM for which large pages were asked is not on them; null where it is, or where none were asked for.</summary>
    /// <param name="specification">What was asked for.</param>
    /// <param name="atLaunch">What was found out when the RAM was made; null where that is not known any more.</param>
    public string? FindRefusal(VmSpecification specification, string? atLaunch) =>
        specification.Backing == MemoryBacking.BasePages || ram.Backing != MemoryBacking.BasePages
            ? null
            : atLaunch ?? "Large pages were not to be had when the VM's memory was made.";

    /// <summary>Reads how much of the RAM is mapped by large pages; null where its address is not known, the process has ended
    /// or may not be looked at.</summary>
    public LargePageCoverage? ReadCoverage()
    {
        if (ram.Address == 0) return null;
        try
        {
            LargePageUse.Amount use = LargePageUse.Read(
                process.Handle.ProcessId, ram.Address, ram.Address + (ulong)ram.Memory.SizeBytes);
            return process.Handle.HasExited ? null : new(use.MappedBytes, use.LargeBytes);
        }
        catch (MigrationException exception) when (exception.Reason is MigrationErrorReason.VmExited or MigrationErrorReason.AccessDenied)
        {
            return null;
        }
    }

    /// <summary>Makes what maps the RAM of an incoming VM.</summary>
    /// <param name="userfaultfd">
    /// Made inside the process with <see cref="PopulatorFeatures"/>; taken over where no exception is thrown.
    /// </param>
    /// <param name="ramFile">Path of the RAM file.</param>
    public PageTablePopulator MakePopulator(Userfaultfd userfaultfd, string ramFile)
    {
        using SafeFileHandle file = OpenFile.ForReadingAndWriting(ramFile);
        long sizeBytes = ram.Memory.SizeBytes;
        int entryBytes = ram.Backing == MemoryBacking.HugeTlb ? ram.PageSizeBytes : GuestMemory.PageSizeBytes;
        var pages = new UserfaultfdPopulator(userfaultfd, process.Handle, ram.Address, file, sizeBytes, entryBytes);
        return ram.Backing == MemoryBacking.TransparentHugePages
            ? new LargePagePopulator(pages, process.Handle, ram.Address, sizeBytes)
            : pages;
    }

    /// <summary>
    /// Maps by large pages again what a write trace has taken apart: protecting single pages of a large one makes the kernel forget its one
    /// entry, and it makes no new one by itself. The guest may run.
    /// </summary>
    public void Restore(CancellationToken cancellationToken)
    {
        if (ram.Backing != MemoryBacking.TransparentHugePages || !features.ProcessMadvise) return;
        const long step = LargePageSettings.PageSizeBytes;
        for (long offset = 0; ram.Memory.TryFindData(offset, out long start, out long end); offset = end)
        {
            cancellationToken.ThrowIfCancellationRequested();
            long first = start / step;
            long last = (end + step - 1) / step;
            end = last * step;
            for (long region = first; region < last;)
            {
                // The kernel would refuse one with a poisoned page in it, and stop there.
                long poisoned = ram.Memory.Poisoned.FindFirst(region * RegionPages, last * RegionPages);
                long before = poisoned < 0 ? last : poisoned / RegionPages;

                // One that cannot be mapped by one entry for another reason stays as it is, and the kernel goes on.
                if (before > region)
                {
                    ProcessMadvise.Collapse(process.Handle, ram.Address + (ulong)(region * step), (ulong)((before - region) * step));
                }

                region = before + 1;
            }

            if (end >= ram.Memory.SizeBytes) return;
        }
    }
}
