using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>
/// A RAM file with two views, as between a VM and the engine: a mapping that plays the VM's and is traced or populated, and the
/// engine's own <see cref="RamFileMemory"/>.
/// </summary>
internal sealed class RamFile : IDisposable
{
    public RamFile(long pageCount)
    {
        SizeBytes = pageCount * GuestMemory.PageSizeBytes;
        File = Memfd.Create("vmmigration-test", SizeBytes);
        Guest = MemoryMapping.MapSharedFile(File, SizeBytes);
        Engine = new RamFileMemory(Duplicate(), SizeBytes);
        Self = PidFd.Open(Environment.ProcessId);
    }

    public SafeFileHandle File { get; }

    public MemoryMapping Guest { get; }

    public RamFileMemory Engine { get; }

    public PidFd Self { get; }

    public long SizeBytes { get; }

    public ulong Address => (ulong)Guest.Address;

    /// <summary>Pages that are in the guest's page tables.</summary>
    public PageSet Mapped()
    {
        var mapped = new PageSet(SizeBytes >> GuestMemory.PageShift);
        using var scan = new PagemapScan(Environment.ProcessId);
        ulong position = Address;
        while (position < Address + (ulong)SizeBytes)
        {
            foreach (PageRegion region in scan.Find(
                ref position, Address + (ulong)SizeBytes, PageCategories.Present, PageCategories.None))
            {
                mapped.AddRange(
                    (long)(region.Start - Address) >> GuestMemory.PageShift, (long)(region.End - region.Start) >> GuestMemory.PageShift);
            }
        }

        return mapped;
    }

    public AsyncWriteTrace Trace() =>
        new(Userfaultfd.Create(AsyncWriteTrace.RequiredFeatures), Self, Address, SizeBytes);

    public UserfaultfdPopulator Populator() =>
        new(Userfaultfd.Create(UserfaultfdPopulator.RequiredFeatures), Self, Address, File, SizeBytes);

    public void Dispose()
    {
        Engine.Dispose();
        Guest.Dispose();
        File.Dispose();
        Self.Dispose();
    }

    private SafeFileHandle Duplicate() => OpenFile.ForReadingAndWriting($"/proc/self/fd/{File.DangerousGetHandle()}");
}
