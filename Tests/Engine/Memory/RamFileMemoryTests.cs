using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

public class RamFileMemoryTests
{
    private const int Page = GuestMemory.PageSizeBytes;

    [Fact]
    public void What_is_written_is_read_back_and_seen_by_the_guest()
    {
        using var ram = new RamFile(64);
        byte[] content = [.. Enumerable.Range(0, 3 * Page).Select(index => (byte)(index * 7))];
        ram.Engine.Write(5 * Page, content);
        var back = new byte[content.Length];
        Assert.Equal(back.Length, ram.Engine.TryRead(5 * Page, back));
        Assert.Equal(content, back);
        Assert.True(ram.Guest.Slice(5 * Page, content.Length).SequenceEqual(content));
        Assert.True(ram.Engine.ReceiveWindow(5 * Page, content.Length).SequenceEqual(content));
    }

    [Fact]
    public void Holes_read_as_zeros_and_stay_holes()
    {
        using var ram = new RamFile(64);
        var content = new byte[64 * Page];
        content.AsSpan().Fill(0xff);
        Assert.Equal(content.Length, ram.Engine.TryRead(0, content));
        Assert.True(content.AsSpan().IndexOfAnyExcept((byte)0) < 0);
        Assert.False(ram.Engine.TryFindData(0, out _, out _));
    }

    [Fact]
    public void Extents_of_data_are_found_page_by_page_aligned_from_any_offset()
    {
        using var ram = new RamFile(1024);
        ram.Engine.Write(10 * Page + 100, [1]);
        ram.Engine.Write(20 * Page, new byte[30 * Page]);
        Assert.Equal([(10, 11), (20, 50)], Extents(ram.Engine, 0));
        Assert.Equal([(30, 50)], Extents(ram.Engine, 30 * Page));
        Assert.Equal([], Extents(ram.Engine, 50 * Page));
        Assert.False(ram.Engine.TryFindData(ram.SizeBytes, out _, out _));
    }

    [Fact]
    public void Data_that_arrives_behind_a_known_extent_is_found()
    {
        using var ram = new RamFile(1024);
        ram.Engine.Write(0, new byte[4 * Page]);
        Assert.Equal([(0, 4)], Extents(ram.Engine, 0));
        ram.Guest.Slice(4 * Page, 1)[0] = 1;
        ram.Guest.Slice(700 * Page, 1)[0] = 1;
        Assert.Equal([0, 1, 2, 3, 4, 700], Extents(ram.Engine, 0).SelectMany(
            extent => Enumerable.Range(extent.Start, extent.End - extent.Start)));
    }

    [Fact]
    public async Task Threads_that_look_for_data_at_once_do_not_disturb_each_other()
    {
        using var ram = new RamFile(4096);
        for (int page = 0; page < 4096; page += 16) ram.Engine.Write((long)page * Page, [1]);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
        {
            for (int round = 0; round < 20; round++)
            {
                List<(int Start, int End)> extents = Extents(ram.Engine, thread * 1024L * Page);
                Assert.Equal(256 - thread * 64, extents.Count);
                Assert.All(extents, extent => Assert.True(extent.Start % 16 == 0 && extent.End == extent.Start + 1));
            }
        }, TestContext.Current.CancellationToken)));
    }

    [Fact]
    public void Full_file_system_is_OutOfSpace_and_keeps_what_was_written()
    {
        using var tmpfs = new SmallTmpfs(1 << 20);
        string path = tmpfs.File("ram");
        using (FileStream file = File.Create(path)) file.SetLength(16 << 20);
        using var memory = RamFileMemory.Open(path, 16 << 20);
        memory.Write(0, [7]);
        var exception = Assert.ThrowsAny<MigrationException>(() => memory.Write(Page, new byte[4 << 20]));
        Assert.Equal(MigrationErrorReason.OutOfSpace, exception.Reason);
        Assert.Contains("ENOSPC", exception.Message, StringComparison.Ordinal);
        var first = new byte[1];
        Assert.Equal(1, memory.TryRead(0, first));
        Assert.Equal(7, first[0]);
    }

    [Fact]
    public void Receiving_into_a_full_file_system_is_an_error_and_not_the_end_of_the_process()
    {
        using var tmpfs = new SmallTmpfs(1 << 20);
        string path = tmpfs.File("ram");
        using (FileStream file = File.Create(path)) file.SetLength(16 << 20);
        using var memory = RamFileMemory.Open(path, 16 << 20);
        Assert.ThrowsAny<MigrationException>(() => memory.Write(0, new byte[4 << 20]));

        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using var sender = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        sender.Connect(listener.LocalEndPoint!);
        using Socket receiver = listener.Accept();
        sender.Send(new byte[Page]);
        var exception = Assert.Throws<SocketException>(() => receiver.Receive(memory.ReceiveWindow(8 << 20, Page)));
        Assert.Equal(SocketError.Fault, exception.SocketErrorCode);
    }

    [Fact]
    public void Read_that_meets_an_input_output_error_ends_short_at_the_page_boundary()
    {
        // /proc/self/mem answers a page behind the end of a mapped file as a RAM file answers one with a memory error: with EIO.
        using SafeFileHandle onePage = Memfd.Create("one-page", Page);
        using MemoryMapping mapping = MemoryMapping.MapSharedFile(onePage, 2 * Page);
        mapping.Slice(0, Page).Fill(0x33);
        using SafeFileHandle memory = OpenFile.ForReading("/proc/self/mem");
        var content = new byte[Page];
        int count = PositionalIo.ReadFully(memory, mapping.Address + 1000, content, out int errno);
        Assert.Equal(Page - 1000, count);
        Assert.Equal(Errno.EIO, errno);
        Assert.True(content.AsSpan(0, count).IndexOfAnyExcept((byte)0x33) < 0);
        Assert.Equal(0, PositionalIo.ReadFully(memory, mapping.Address + Page, content, out errno));
        Assert.Equal(Errno.EIO, errno);
    }

    [Fact]
    public void File_that_was_shortened_is_InvalidState()
    {
        using var ram = new RamFile(16);
        RandomAccess.SetLength(ram.File, 8 * Page);
        var exception = Assert.ThrowsAny<MigrationException>(() => ram.Engine.TryRead(7 * Page, new byte[2 * Page]));
        Assert.Equal(MigrationErrorReason.InvalidState, exception.Reason);
    }

    [Fact]
    public void File_shorter_than_the_memory_is_refused_and_closed()
    {
        SafeFileHandle file = Memfd.Create("short", Page);
        var exception = Assert.ThrowsAny<MigrationException>(() => new RamFileMemory(file, 2 * Page));
        Assert.Equal(MigrationErrorReason.InvalidArgument, exception.Reason);
        Assert.True(file.IsClosed);
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(16 * Page, 1)]
    [InlineData(15 * Page, Page + 1)]
    [InlineData(long.MaxValue, 1)]
    public void Range_outside_the_memory_is_refused(long offset, int lengthBytes)
    {
        using var ram = new RamFile(16);
        Assert.All<Action>(
            [
                () => ram.Engine.TryRead(offset, new byte[lengthBytes]),
                () => ram.Engine.Write(offset, new byte[lengthBytes]),
                () => ram.Engine.ReceiveWindow(offset, lengthBytes),
            ],
            access => Assert.Equal(MigrationErrorReason.InvalidArgument, Assert.Throws<MigrationException>(access).Reason));
    }

    [Fact]
    public void Reading_allocates_nothing()
    {
        using var ram = new RamFile(256);
        var content = new byte[16 * Page];
        ram.Engine.TryRead(0, content);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int page = 0; page < 256; page += 16) ram.Engine.TryRead((long)page * Page, content);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static List<(int Start, int End)> Extents(RamFileMemory memory, long from)
    {
        List<(int, int)> extents = [];
        while (memory.TryFindData(from, out long start, out long end))
        {
            Assert.Equal(0, start % Page);
            Assert.Equal(0, end % Page);
            extents.Add(((int)(start / Page), (int)(end / Page)));
            from = end;
        }

        return extents;
    }
}
