using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Memory;
using Xunit;

namespace VmMigration.Engine.Tests.Protocol;

public class DataConnectionTests
{
    private const int FrameBytes = 1 << 20;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(LinkSecurity.Plain)]
    [InlineData(LinkSecurity.Tls)]
    public async Task Bytes_of_any_length_arrive_in_guest_memory_as_they_were_sent(LinkSecurity security)
    {
        using var ram = new RamFile(512);
        using var pair = new LinkPair(security);
        var source = new DataConnection(pair.Source);
        var destination = new DataConnection(pair.Destination);
        var random = new Random(11);
        for (int round = 0; round < 40; round++)
        {
            byte[] bytes = new byte[round % 4 == 0 ? FrameBytes : random.Next(1, 300_000)];
            random.NextBytes(bytes);
            long offset = random.Next(0, (1 << 20) + 1);
            Task sending = Task.Run(() => source.Send(bytes), Cancel);
            destination.ReceiveInto(ram.Engine, offset, bytes.Length);
            await sending;
            byte[] arrived = new byte[bytes.Length];
            Assert.Equal(bytes.Length, ram.Engine.TryRead(offset, arrived));
            Assert.Equal(bytes, arrived);
        }
    }

    [Theory]
    [InlineData(LinkSecurity.Plain)]
    [InlineData(LinkSecurity.Tls)]
    public async Task A_full_file_system_under_guest_memory_is_an_error_and_no_signal(LinkSecurity security)
    {
        using var tmpfs = new SmallTmpfs(1 << 20);
        await using (File.Create(tmpfs.File("ram")))
        {
        }

        using (var file = new FileStream(tmpfs.File("ram"), FileMode.Open)) file.SetLength(16 << 20);
        using var memory = RamFileMemory.Open(tmpfs.File("ram"), 16 << 20);
        using var pair = new LinkPair(security);
        byte[] bytes = new byte[4 << 20];
        Array.Fill(bytes, (byte)7);
        var source = new DataConnection(pair.Source);
        Task sending = Task.Factory.StartNew(
            () =>
            {
                // More than the buffers on the way hold, however large they are.
                while (true) source.Send(bytes);
            },
            Cancel, TaskCreationOptions.LongRunning, TaskScheduler.Default);

        var full = Assert.ThrowsAny<MigrationException>(
            () => new DataConnection(pair.Destination).ReceiveInto(memory, 8 << 20, bytes.Length));

        Assert.Equal(MigrationErrorReason.OutOfSpace, full.Reason);
        pair.Destination.Dispose();
        var lost = await Assert.ThrowsAsync<MigrationException>(() => sending);
        Assert.Equal(MigrationErrorReason.ConnectionLost, lost.Reason);
    }

    [Theory]
    [InlineData(LinkSecurity.Plain)]
    [InlineData(LinkSecurity.Tls)]
    public async Task Nothing_is_allocated_per_page(LinkSecurity security)
    {
        const int frames = 64;
        using var ram = new RamFile(512);
        using var pair = new LinkPair(security);
        var destination = new DataConnection(pair.Destination);
        byte[] bytes = new byte[FrameBytes];
        Task<long> sending = Measure(() => new DataConnection(pair.Source).Send(bytes), frames);
        Task<long> receiving = Measure(() => destination.ReceiveInto(ram.Engine, 0, FrameBytes), frames);

        // A page's own share would be 256 objects a frame, of 24 bytes at the least.
        Assert.InRange(await sending, 0, frames * 2048);
        Assert.InRange(await receiving, 0, frames * 2048);
    }

    /// <summary>What a thread of its own allocates in so many frames, after some that fill what is made once.</summary>
    private static Task<long> Measure(Action frame, int count) => Task.Factory.StartNew(
        () =>
        {
            for (int i = 0; i < 8; i++) frame();
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < count; i++) frame();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        },
        Cancel, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    [Theory]
    [InlineData(LinkSecurity.Plain)]
    [InlineData(LinkSecurity.Tls)]
    public async Task Closed_from_another_thread_a_connection_fails_as_lost_and_as_nothing_else(LinkSecurity security)
    {
        for (int round = 0; round < 100; round++)
        {
            var pair = new LinkPair(security);
            byte[] bytes = new byte[FrameBytes];
            var source = new DataConnection(pair.Source);
            var destination = new DataConnection(pair.Destination);
            Task sending = Task.Factory.StartNew(
                () =>
                {
                    while (true) source.Send(bytes);
                },
                Cancel, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            Task receiving = Task.Factory.StartNew(
                () =>
                {
                    byte[] into = new byte[FrameBytes];
                    while (true) destination.Receive(into);
                },
                Cancel, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            await Task.Delay(TimeSpan.FromMicroseconds(round * 97 % 3000), Cancel);
            (round % 2 == 0 ? source : destination).Dispose();
            foreach (Task end in new[] { sending, receiving })
            {
                var lost = await Assert.ThrowsAsync<MigrationException>(() => end.WaitAsync(TimeSpan.FromSeconds(10), Cancel));
                Assert.Equal(MigrationErrorReason.ConnectionLost, lost.Reason);
            }

            pair.Dispose();
        }
    }
}
