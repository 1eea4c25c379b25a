using VmMigration.Engine.Memory;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>What every implementation of <see cref="MissingPages"/> promises.</summary>
public abstract class MissingPagesContract
{
    private const int PageCount = 1024;
    private const long TouchedPage = 700;
    private const int GuestBytes = 8;

    private static readonly TimeSpan patience = TimeSpan.FromSeconds(20);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Exactly_the_pages_that_were_taken_away_are_missing_until_they_are_placed()
    {
        PageSet taken = Pages((3, 5), (64, 64), (TouchedPage, 1), (PageCount - 1, 1));
        await using MissingPagesSubject subject = await StartAsync(taken);
        AssertMissing(taken, subject.Missing);

        subject.Missing.Place(66, Contents(7, 2));
        subject.Missing.PlaceZeros(PageCount - 1, 1);
        AssertMissing(Pages((3, 5), (64, 2), (68, 60), (TouchedPage, 1)), subject.Missing);
    }

    [Fact]
    public async Task A_touch_is_reported_and_waits_for_the_contents_whole()
    {
        await using MissingPagesSubject subject = await StartAsync(Pages((600, 200)));
        Task touched = subject.TouchAsync();
        Assert.Equal(TouchedPage, await WaitForTouchAsync(subject.Missing, Cancelled));
        await Task.Delay(30, Cancelled);
        Assert.False(touched.IsCompleted);

        byte[] contents = Contents(1, 1);
        subject.Missing.Place(TouchedPage, contents);
        await touched.WaitAsync(patience, Cancelled);
        AssertHolds(contents, subject.Memory, TouchedPage);
        Assert.Equal(199, subject.Missing.RemainingCount);
        Assert.True(subject.Missing.Statistics.Touches >= 1);
        Assert.InRange(subject.Missing.Statistics.StallTime, TimeSpan.FromMilliseconds(25), patience);
    }

    [Fact]
    public async Task A_touch_goes_on_when_its_page_comes_amid_a_run_of_others_or_as_zeros()
    {
        await using MissingPagesSubject run = await StartAsync(Pages((0, PageCount)));
        await using MissingPagesSubject zeros = await StartAsync(Pages((0, PageCount)));
        Task[] touched = [run.TouchAsync(), zeros.TouchAsync()];
        Assert.Equal(TouchedPage, await WaitForTouchAsync(run.Missing, Cancelled));
        Assert.Equal(TouchedPage, await WaitForTouchAsync(zeros.Missing, Cancelled));
        byte[] contents = Contents(2, 64);
        run.Missing.Place(TouchedPage - 32, contents);
        zeros.Missing.PlaceZeros(TouchedPage - 32, 64);
        await Task.WhenAll(touched).WaitAsync(patience, Cancelled);
        AssertHolds(contents, run.Memory, TouchedPage - 32);
        AssertHolds(new byte[64 * GuestMemory.PageSizeBytes], zeros.Memory, TouchedPage - 32);
    }

    [Fact]
    public async Task A_page_that_is_not_missing_is_touched_without_being_asked_for()
    {
        await using MissingPagesSubject subject = await StartAsync(Pages((0, 600)));
        using var end = new CancellationTokenSource();
        Task<long> serving = WaitForTouchAsync(subject.Missing, end.Token);
        await subject.TouchAsync().WaitAsync(patience, Cancelled);
        await end.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => serving);
        Assert.Equal(0, subject.Missing.Statistics.Touches);
        Assert.Equal(600, subject.Missing.RemainingCount);
    }

    [Fact]
    public async Task Zeros_take_the_place_of_whatever_was_received_before()
    {
        await using MissingPagesSubject subject = await StartAsync(Pages((0, 4)), memory => memory.Write(0, Contents(8, 4)));
        subject.Missing.PlaceZeros(0, 4);
        AssertHolds(new byte[4 * GuestMemory.PageSizeBytes], subject.Memory, 0);
    }

    [Fact]
    public async Task A_page_that_is_there_is_left_alone()
    {
        byte[] before = Contents(3, 8);
        await using MissingPagesSubject subject = await StartAsync(Pages((8, 8)), memory => memory.Write(0, before));
        subject.Missing.Place(0, Contents(9, 8));
        AssertHolds(before, subject.Memory, 0);
        Assert.Equal(8, subject.Missing.RemainingCount);

        byte[] first = Contents(4, 8);
        subject.Missing.Place(8, first);
        subject.Missing.Place(0, Contents(5, 16));
        subject.Missing.PlaceZeros(0, 16);
        subject.Missing.PlacePoisoned(0);
        subject.Missing.PlacePoisoned(8);
        Assert.True(subject.Memory.Poisoned.IsEmpty);
        AssertHolds(before, subject.Memory, 0);
        AssertHolds(first, subject.Memory, 8);
        Assert.Equal(0, subject.Missing.RemainingCount);
    }

    [Fact]
    public async Task Several_threads_may_place_the_same_pages()
    {
        await using MissingPagesSubject subject = await StartAsync(Pages((0, PageCount)));
        byte[] contents = Contents(6, PageCount);
        Task touched = subject.TouchAsync();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
        {
            for (int i = 0; i < PageCount / 8; i++)
            {
                int first = (i + (thread * 29)) % (PageCount / 8) * 8;
                subject.Missing.Place(first, contents.AsSpan(first * GuestMemory.PageSizeBytes, 8 * GuestMemory.PageSizeBytes));
            }
        }, Cancelled))).WaitAsync(patience, Cancelled);
        await touched.WaitAsync(patience, Cancelled);
        AssertMissing(Pages(), subject.Missing);
        AssertHolds(contents, subject.Memory, 0);
    }

    [Fact]
    public async Task After_the_last_page_every_wait_for_a_touch_ends_with_none()
    {
        await using MissingPagesSubject subject = await StartAsync(Pages((0, 2)));
        Task<long>[] waits = [WaitForTouchAsync(subject.Missing, Cancelled), WaitForTouchAsync(subject.Missing, Cancelled)];
        subject.Missing.PlaceZeros(0, 1);
        await Task.Delay(20, Cancelled);
        Assert.All(waits, wait => Assert.False(wait.IsCompleted));
        subject.Missing.Place(1, Contents(1, 1));
        Assert.All(await Task.WhenAll(waits), page => Assert.Equal(-1, page));
        Assert.Equal(-1, await WaitForTouchAsync(subject.Missing, Cancelled));
    }

    [Fact]
    public async Task Nothing_missing_is_the_end_at_once()
    {
        await using MissingPagesSubject subject = await StartAsync(Pages());
        Assert.Equal(-1, await WaitForTouchAsync(subject.Missing, Cancelled));
        await subject.TouchAsync().WaitAsync(patience, Cancelled);
    }

    [Fact]
    public async Task A_wait_for_a_touch_can_be_cancelled_and_the_next_one_hears_of_it()
    {
        await using MissingPagesSubject subject = await StartAsync(Pages((TouchedPage, 1)));
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(20));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => WaitForTouchAsync(subject.Missing, cancel.Token));
        Task touched = subject.TouchAsync();
        Assert.Equal(TouchedPage, await WaitForTouchAsync(subject.Missing, Cancelled));
        subject.Missing.PlaceZeros(TouchedPage, 1);
        await touched.WaitAsync(patience, Cancelled);
    }

    [Fact]
    public async Task A_poisoned_page_is_no_longer_missing_and_cannot_be_read()
    {
        await using MissingPagesSubject subject = await StartAsync(Pages((0, 3)));
        subject.Missing.PlaceZeros(0, 1);
        subject.Missing.PlacePoisoned(1);
        subject.Missing.PlacePoisoned(1);
        subject.Missing.PlaceZeros(2, 1);
        Assert.Equal(0, subject.Missing.RemainingCount);
        Assert.Equal([1L], subject.Memory.Poisoned.ToList().Select(page => page.Page));
        Assert.Equal(GuestMemory.PageSizeBytes, subject.Memory.TryRead(0, new byte[3 * GuestMemory.PageSizeBytes]));
        Assert.Equal(-1, await WaitForTouchAsync(subject.Missing, Cancelled));
    }

    [Fact]
    public async Task Disposal_lets_nobody_see_a_page_that_was_not_placed()
    {
        MissingPagesSubject subject = await StartAsync(Pages((TouchedPage, 1)));
        Task touched = subject.TouchAsync();
        await WaitForTouchAsync(subject.Missing, Cancelled);
        subject.Missing.Dispose();
        subject.Missing.Dispose();
        await Task.Delay(30, Cancelled);
        Assert.False(touched.IsCompletedSuccessfully);
        await subject.DisposeAsync();
        Assert.False(touched.IsCompletedSuccessfully);
    }

    /// <summary>Makes the subject.</summary>
    /// <param name="pageCount">Pages of memory.</param>
    /// <param name="missing">The pages to take away.</param>
    /// <param name="received">Called before that, as if pages had been received.</param>
    /// <param name="touchedPage">The page its guest is to touch.</param>
    protected abstract Task<MissingPagesSubject> CreateAsync(
        int pageCount, PageSet missing, Action<GuestMemory> received, long touchedPage);

    private static PageSet Pages(params (long First, long Count)[] runs)
    {
        var pages = new PageSet(PageCount);
        foreach ((long first, long count) in runs) pages.AddRange(first, count);
        return pages;
    }

    private static byte[] Contents(int seed, int pages)
    {
        byte[] contents = new byte[pages * GuestMemory.PageSizeBytes];
        new Random(seed).NextBytes(contents);
        return contents;
    }

    private static Task<long> WaitForTouchAsync(MissingPages missing, CancellationToken cancellationToken) =>
        Task.Factory.StartNew(
            () => missing.WaitForTouch(cancellationToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)
        .WaitAsync(patience, CancellationToken.None);

    private static void AssertMissing(PageSet expected, MissingPages actual)
    {
        PageSet remaining = actual.CopyRemaining();
        Assert.Equal(expected.Count, actual.RemainingCount);
        for (long page = 0; page < PageCount; page++) Assert.Equal((page, expected.Contains(page)), (page, remaining.Contains(page)));
    }

    /// <summary>Compares all but what the guest may have written.</summary>
    private static void AssertHolds(byte[] expected, GuestMemory memory, long firstPage)
    {
        byte[] actual = new byte[expected.Length];
        Assert.Equal(actual.Length, memory.TryRead(firstPage << GuestMemory.PageShift, actual));
        long guest = (TouchedPage - firstPage) << GuestMemory.PageShift;
        if (guest >= 0 && guest < expected.Length) expected.AsSpan((int)guest, GuestBytes).CopyTo(actual.AsSpan((int)guest));
        Assert.Equal(expected.Length, expected.AsSpan().CommonPrefixLength(actual));
    }

    private Task<MissingPagesSubject> StartAsync(PageSet missing, Action<GuestMemory>? received = null) =>
        CreateAsync(PageCount, missing, received ?? (_ => { }), TouchedPage);
}
