using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using VmMigration.Engine.Tests.Hosts;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>A RAM file on a tmpfs of large pages, mapped in this process as a VM maps its own; unmounted with the test.</summary>
internal sealed class HugeRamFile : IDisposable
{
    public const int RegionBytes = 2 << 20;

    private readonly ScratchDirectory mountPoint = new();

    public HugeRamFile(int regions)
    {
        SizeBytes = (long)regions * RegionBytes;
        FileSystemMount.Mount("tmpfs", "vmmigration-test", mountPoint.Path, "huge=always");
        string path = Path.Combine(mountPoint.Path, "ram");
        using (FileStream created = System.IO.File.Create(path)) created.SetLength(SizeBytes);
        File = OpenFile.ForReadingAndWriting(path);
        Guest = MemoryMapping.MapSharedFile(File, SizeBytes);
        Engine = RamFileMemory.Open(path, SizeBytes);
        Self = PidFd.Open(Environment.ProcessId);
    }

    public SafeFileHandle File { get; }

    public MemoryMapping Guest { get; }

    public RamFileMemory Engine { get; }

    public PidFd Self { get; }

    public long SizeBytes { get; }

    public ulong Address => (ulong)Guest.Address;

    public LargePageUse.Amount Use => LargePageUse.Read(Environment.ProcessId, Address, Address + (ulong)SizeBytes);

    public LargePagePopulator Populator() => new(
        new UserfaultfdPopulator(Userfaultfd.Create(UserfaultfdPopulator.RequiredFeatures), Self, Address, File, SizeBytes),
        Self, Address, SizeBytes);

    public void Dispose()
    {
        Engine.Dispose();
        Guest.Dispose();
        File.Dispose();
        Self.Dispose();
        FileSystemMount.TryUnmount(mountPoint.Path);
        mountPoint.Dispose();
    }
}
