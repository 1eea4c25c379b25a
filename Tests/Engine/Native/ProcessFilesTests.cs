using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

public class ProcessFilesTests
{
    [Theory]
    [InlineData("7f0000000000-7f0000200000 rw-s 00001000 00:19 42       /dev/shm/a b (deleted)", "/dev/shm/a b")]
    [InlineData("7f0000000000-7f0000200000 rw-s 00001000 00:19 42       /dev/shm/ram", "/dev/shm/ram")]
    [InlineData("7f0000000000-7f0000200000 rw-s 00001000 00:19 42 ", "")]
    public void Line_of_the_memory_map_is_taken_apart(string line, string path)
    {
        ProcessMapping mapping = ProcessMaps.Parse(line);
        Assert.Equal(new ProcessMapping(0x7f0000000000, 0x7f0000200000, "rw-s", 0x1000, 42, path), mapping);
        Assert.True(mapping.IsShared);
        Assert.Equal(2 << 20, mapping.SizeBytes);
    }

    [Fact]
    public void Mapped_file_is_found_by_name_and_opened_through_its_mapping_after_deletion()
    {
        string path = $"/dev/shm/vmmigration-maps-{Guid.NewGuid():N}";
        using (SafeFileHandle created = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            RandomAccess.SetLength(created, 1 << 20);
            using MemoryMapping mapping = MemoryMapping.MapSharedFile(created, 1 << 20);
            mapping.Slice(0x5000, 1)[0] = 0x7e;
            File.Delete(path);

            ProcessMapping? found = ProcessMaps.FindFile(Environment.ProcessId, path);
            Assert.NotNull(found);
            Assert.Equal((ulong)mapping.Address, found.Start);
            Assert.Equal(1 << 20, found.SizeBytes);
            using SafeFileHandle opened = ProcessMaps.OpenFileAt(Environment.ProcessId, found.Start + 0x3000);
            var content = new byte[1];
            Assert.Equal(1, RandomAccess.Read(opened, content, 0x5000));
            Assert.Equal(0x7e, content[0]);
        }

        Assert.Null(ProcessMaps.FindFile(Environment.ProcessId, path));
    }

    [Fact]
    public void Page_faults_are_the_sum_of_minor_and_major_whatever_the_process_is_called()
    {
        Assert.Equal(1200 + 34, ProcessStatistics.ParsePageFaults("77 (q) R (x) S 1 77 77 0 -1 4194560 1200 5 34 6 7 8"));
    }

    [Fact]
    public void Page_faults_grow_when_memory_is_touched()
    {
        const int bytes = 16 << 20;
        using MemoryMapping mapping = MemoryMapping.MapSharedFile(Memfd.Create("faults", bytes), bytes);
        long before = ProcessStatistics.ReadPageFaults(Environment.ProcessId);
        for (int offset = 0; offset < bytes; offset += 4096) mapping.Slice(offset, 1)[0] = 1;
        Assert.InRange(ProcessStatistics.ReadPageFaults(Environment.ProcessId) - before, bytes / 4096, long.MaxValue);
    }

    [Fact]
    public void Statistics_of_a_process_that_is_gone_are_VmExited()
    {
        var exception = Assert.Throws<MigrationException>(() => ProcessStatistics.ReadPageFaults(0x3fffff));
        Assert.Equal(MigrationErrorReason.VmExited, exception.Reason);
    }
}
