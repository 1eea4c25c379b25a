using System.Net;
using System.Net.Sockets;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Memory;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>One sender that remembers what it sent, against a socket that takes everything.</summary>
public sealed class UnchangedPagesTests : IDisposable
{
    private const int PageCount = 1024;
    private const int Page = GuestMemory.PageSizeBytes;

    private readonly RamFile ram = new(PageCount);
    private readonly BandwidthLimit limit = new(0, 0);
    private readonly TransferCounters counters = new();
    private readonly SentPages sent = new(PageCount);
    private readonly List<IDisposable> open = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        foreach (IDisposable disposable in open) disposable.Dispose();
        ram.Dispose();
        limit.Dispose();
    }

    [Fact]
    public async Task Only_pages_that_changed_travel_again()
    {
        Fill(0, PageCount / 2);
        (PageSender sender, DataConnection connection, Task<long> received) = Connect();
        sender.SendPass(All(), Cancel);
        Assert.Equal((PageCount / 2, PageCount / 2, 0), Counted());
        long before = counters.BytesSent;

        // One changes, one becomes zero, one that was zero gets data; all 1024 are reported.
        Fill(7, 1, salt: 9);
        ram.Engine.Write(300 * Page, new byte[Page]);
        Fill(900, 1);
        sender.SendPass(All(), Cancel);

        Assert.Equal(((PageCount / 2) + 2, (PageCount / 2) + 1, PageCount - 3), Counted());
        Assert.InRange(counters.BytesSent - before, 2 * Page, (2 * Page) + 512);
        connection.Dispose();
        Assert.Equal(counters.BytesSent, await received);
    }

    [Fact]
    public void A_pass_in_which_nothing_changed_puts_nothing_on_the_wire()
    {
        Fill(0, PageCount);
        PageSender sender = Connect().Sender;
        sender.SendPass(All(), Cancel);
        long before = counters.BytesSent;

        sender.SendPass(All(), Cancel);

        Assert.Equal(before, counters.BytesSent);
        Assert.Equal(PageCount, counters.PagesUnchanged);
    }

    [Fact]
    public void What_a_broken_connection_did_not_take_is_not_known_as_sent()
    {
        Fill(0, PageCount);
        var firstHalf = new PageSet(PageCount);
        firstHalf.AddRange(0, PageCount / 2);
        (PageSender broken, DataConnection connection, _) = Connect();
        broken.SendPass(firstHalf, Cancel);
        connection.Dispose();
        Assert.Equal(
            MigrationErrorReason.ConnectionLost, Assert.Throws<MigrationException>(() => broken.SendPass(All(), Cancel)).Reason);
        long before = counters.BytesSent;

        Connect().Sender.SendPass(All(), Cancel);

        Assert.InRange(counters.BytesSent - before, PageCount / 2 * Page, (PageCount / 2 * Page) + 512);
    }

    private (long Data, long Zero, long Unchanged) Counted() => (counters.PagesData, counters.PagesZero, counters.PagesUnchanged);

    private void Fill(int first, int count, int salt = 1)
    {
        byte[] page = new byte[Page];
        for (int i = first; i < first + count; i++)
        {
            new Random((i * 31) + salt).NextBytes(page);
            ram.Engine.Write((long)i * Page, page);
        }
    }

    private static PageSet All()
    {
        var pages = new PageSet(PageCount);
        pages.AddRange(0, PageCount);
        return pages;
    }

    private (PageSender Sender, DataConnection Connection, Task<long> Received) Connect()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(listener.LocalEndPoint!);
        Socket peer = listener.Accept();
        var connection = new DataConnection(LinkTransport.Plain(socket));
        open.AddRange([connection, peer]);
        return (new PageSender(ram.Engine, connection, 0, 1, limit, counters, sent), connection, Task.Run(() => Drain(peer), Cancel));
    }

    private static long Drain(Socket peer)
    {
        long total = 0;
        byte[] buffer = new byte[1 << 20];
        while (peer.Receive(buffer) is > 0 and int count) total += count;
        return total;
    }
}
