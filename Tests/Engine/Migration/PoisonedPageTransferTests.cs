using System.Net;
using System.Net.Sockets;
using System.Text;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Memory;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>A sender and a receiver with one connection between them, and memory of which pages fail.</summary>
public sealed class PoisonedPageTransferTests : IDisposable
{
    private const int Page = GuestMemory.PageSizeBytes;
    private const int PageCount = 600;

    private readonly DataConnection near;
    private readonly DataConnection far;
    private readonly BandwidthLimit limit = new(0, PageFrame.MaxHeadBytes + PageFrame.MaxPayloadBytes);
    private readonly FaultyMemory source;
    private readonly FaultyMemory destination = new(new byte[PageCount * Page]);

    public PoisonedPageTransferTests()
    {
        byte[] content = new byte[PageCount * Page];
        new Random(3).NextBytes(content);
        source = new(content);
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var dialer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        dialer.Connect(listener.LocalEndPoint!);
        near = new(LinkTransport.Plain(dialer));
        far = new(LinkTransport.Plain(listener.Accept()));
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        near.Dispose();
        far.Dispose();
        limit.Dispose();
        source.Dispose();
        destination.Dispose();
    }

    [Fact]
    public async Task Pages_that_fail_travel_as_metadata_and_all_others_with_their_contents()
    {
        source.Poisoned.Add(new(3, PoisonSource.Injected, DateTimeOffset.UtcNow));
        source.Bad.UnionWith([0, 255, 256, 257, 599]);
        await SendAsync(All());
        Assert.Equal([0, 3, 255, 256, 257, 599], Numbers(source));
        AssertArrived();
    }

    [Fact]
    public async Task A_page_that_turns_bad_after_it_was_sent_loses_what_was_received_for_it()
    {
        await SendAsync(All(), () =>
        {
            source.Bad.Add(100);
            return All();
        });
        Assert.Equal([100], Numbers(source));
        AssertArrived();
        Assert.False(destination.ReceiveWindow(100 * Page, Page).ContainsAnyExcept((byte)0));
    }

    [Fact]
    public async Task Contents_for_a_page_that_was_declared_poisoned_are_a_ProtocolViolation()
    {
        Task receiving = ReceiveAsync();
        byte[] frame = new byte[PageFrame.MaxHeadBytes + Page];
        int length = PageFrame.WriteHead(frame, 0, [new(7, 1, PageRunKind.Poisoned)]);
        near.Send(frame.AsSpan(0, length));
        length = PageFrame.WriteHead(frame, 0, [new(6, 1, PageRunKind.Zero), new(7, 1, PageRunKind.Data)]);
        near.Send(frame.AsSpan(0, length + Page));
        var refused = await Assert.ThrowsAsync<MigrationException>(() => receiving);
        Assert.Equal(MigrationErrorReason.ProtocolViolation, refused.Reason);
        Assert.Equal([7], Numbers(destination));
    }

    [Fact]
    public void The_sources_list_says_since_when_and_how_and_drops_what_was_received()
    {
        destination.Write(9 * Page, Encoding.ASCII.GetBytes("old"));
        destination.Poisoned.Add(new(8, PoisonSource.Carried, DateTimeOffset.UtcNow));
        CarriedPoison.Receive(
            List("""{"Page":8,"Source":"Injected","Since":"2026-01-02T03:04:05+00:00"},"""
                + """{"Page":9,"Source":"Carried","Since":"2026-01-02T03:04:05+00:00","""
                + """ "OriginalSource":"FailedRead","GuestPhysicalAddress":36864}"""),
            destination);
        var since = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
        Assert.Equal(
            [
                new(8, PoisonSource.Carried, since) { OriginalSource = PoisonSource.Injected },
                new(9, PoisonSource.Carried, since) { OriginalSource = PoisonSource.FailedRead },
            ],
            destination.Poisoned.ToList());
        Assert.False(destination.ReceiveWindow(9 * Page, Page).ContainsAnyExcept((byte)0));
    }

    [Theory]
    [InlineData("""{"Page":-1,"Source":"Injected","Since":"2026-01-02T03:04:05+00:00"}""")]
    [InlineData("""{"Page":600,"Source":"Injected","Since":"2026-01-02T03:04:05+00:00"}""")]
    [InlineData("""{"Page":9223372036854775807,"Source":"Injected","Since":"2026-01-02T03:04:05+00:00"}""")]
    [InlineData("""{"Page":1,"Source":"Lightning","Since":"2026-01-02T03:04:05+00:00"}""")]
    [InlineData("""{"Page":1,"Source":"Invalid","Since":"2026-01-02T03:04:05+00:00"}""")]
    [InlineData("""{"Page":1,"Source":77,"Since":"2026-01-02T03:04:05+00:00"}""")]
    [InlineData("""{"Page":1,"Source":"Injected","Since":"yesterday"}""")]
    [InlineData("""{"Page":1,"Source":"Injected","Since":"2026-01-02T03:04:05+00:00","OriginalSource":99}""")]
    [InlineData("null")]
    public void A_list_with_an_entry_that_cannot_be_is_refused_whole_or_up_to_there(string entry)
    {
        var refused = Assert.Throws<MigrationException>(() => CarriedPoison.Receive(List(entry), destination));
        Assert.Equal(MigrationErrorReason.ProtocolViolation, refused.Reason);
        Assert.True(destination.Poisoned.IsEmpty);
    }

    [Fact]
    public void A_list_that_is_too_long_is_refused()
    {
        string entries = string.Join(
            ',', Enumerable.Repeat("""{"Page":1,"Source":"Injected","Since":"2026-01-02T03:04:05+00:00"}""", 1025));
        var refused = Assert.Throws<MigrationException>(() => CarriedPoison.Receive(List(entries), destination));
        Assert.Equal(MigrationErrorReason.ProtocolViolation, refused.Reason);
    }

    private static ControlFrame List(string entries) =>
        new(FrameType.PoisonedPages, Encoding.UTF8.GetBytes($$"""{"Pages":[{{entries}}]}"""));

    private static PageSet All()
    {
        var all = new PageSet(PageCount);
        all.AddRange(0, PageCount);
        return all;
    }

    private static IEnumerable<long> Numbers(GuestMemory memory) => memory.Poisoned.ToList().Select(page => page.Page);

    private Task ReceiveAsync() => Task.Run(() => new PageReceiver(destination, null, () => false, () => null).Run(far), Cancel);

    /// <summary>Sends passes, each once the one before is in place.</summary>
    private async Task SendAsync(PageSet first, params Func<PageSet>[] later)
    {
        Task receiving = ReceiveAsync();
        await Task.Run(
            () =>
            {
                var sender = new PageSender(source, near, 0, 1, limit, new TransferCounters(), null);
                sender.SendPass(first, Cancel);
                sender.Flush();
                foreach (Func<PageSet> next in later)
                {
                    sender.SendPass(next(), Cancel);
                    sender.Flush();
                }
            },
            Cancel);
        near.Dispose();
        await receiving;
    }

    private void AssertArrived()
    {
        Assert.Equal(Numbers(source), Numbers(destination));
        Assert.All(destination.Poisoned.ToList(), page => Assert.Equal(PoisonSource.Carried, page.Source));
        for (int page = 0; page < PageCount; page++)
        {
            if (source.Poisoned.Contains(page)) continue;
            Assert.True(
                destination.ReceiveWindow(page * Page, Page).SequenceEqual(source.ReceiveWindow(page * Page, Page)), $"page {page}");
        }
    }
}
