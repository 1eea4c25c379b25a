using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

public class FileSystemTypeTests
{
    [Fact]
    public void Shared_memory_with_and_without_a_name_is_a_tmpfs()
    {
        using SafeFileHandle unnamed = Memfd.Create("vmmigration-test", 4096);
        string path = $"/dev/shm/vmmigration-test-{Guid.NewGuid():N}";
        using var named = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);

        Assert.Equal(FileSystemType.Tmpfs, FileSystemType.Read(unnamed));
        Assert.Equal(FileSystemType.Tmpfs, FileSystemType.Read(named.SafeFileHandle));
    }

    [Fact]
    public void A_file_of_the_proc_file_system_is_none()
    {
        const long procMagic = 0x9fa0;
        using SafeFileHandle file = OpenFile.ForReading("/proc/self/maps");

        Assert.Equal(procMagic, FileSystemType.Read(file));
    }
}
