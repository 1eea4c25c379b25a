using CsCheck;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

public class PoisonedPagesTests
{
    private const int Page = GuestMemory.PageSizeBytes;
    private const int PageCount = 600;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void What_is_known_of_a_page_stays_and_only_a_description_replaces_it()
    {
        var pages = new PoisonedPages();
        DateTimeOffset then = DateTimeOffset.UtcNow.AddHours(-1);
        Assert.True(pages.IsEmpty);
        Assert.True(pages.Add(new(7, PoisonSource.Injected, then)));
        Assert.False(pages.Add(new(7, PoisonSource.FailedRead, DateTimeOffset.UtcNow)));
        Assert.Equal(new PoisonedPage(7, PoisonSource.Injected, then), Assert.Single(pages.ToList()));
        pages.Describe(new(7, PoisonSource.Carried, then) { OriginalSource = PoisonSource.Injected });
        Assert.Equal(PoisonSource.Injected, Assert.Single(pages.ToList()).OriginalSource);
    }

    [Fact]
    public void Bytes_before_the_next_poisoned_page_are_readable() => Gen.Select(
        Gen.Int[0, PageCount - 1].HashSet[0, 8], Gen.Int[0, (PageCount * Page) - 1], Gen.Int[0, 40 * Page]).Sample((bad, offset, length) =>
    {
        length = Math.Min(length, (PageCount * Page) - offset);
        var pages = new PoisonedPages();
        foreach (int page in bad) pages.Add(new(page, PoisonSource.Injected, DateTimeOffset.UtcNow));
        int expected = 0;
        while (expected < length && !bad.Contains((offset + expected) / Page)) expected++;
        return pages.ReadableBytes(offset, length) == expected;
    }, iter: 300);

    [Fact]
    public void Everything_but_the_failing_pages_is_read_whether_they_were_known_or_not() => Gen.Select(
        Gen.Int[0, 255].HashSet[0, 12], Gen.Int[0, 255].HashSet[0, 12]).Sample((known, unknown) =>
    {
        byte[] content = new byte[256 * Page];
        new Random(1).NextBytes(content);
        using var memory = new FaultyMemory(content);
        foreach (int page in known) memory.Poisoned.Add(new(page, PoisonSource.Injected, DateTimeOffset.UtcNow));
        memory.Bad.UnionWith(unknown.Select(page => (long)page));
        var reader = new PoisonSafeReader(memory, 256);
        byte[] read = new byte[content.Length];
        reader.Read(0, read);
        for (int page = 0; page < 256; page++)
        {
            bool bad = known.Contains(page) || unknown.Contains(page);
            if (reader.IsPoisoned(page) != bad || memory.Poisoned.Contains(page) != bad) return false;
            if (!bad && !read.AsSpan(page * Page, Page).SequenceEqual(content.AsSpan(page * Page, Page))) return false;
        }

        return true;
    }, iter: 100);

    [Fact]
    public void Without_poison_a_run_of_pages_is_one_read()
    {
        using var memory = new FaultyMemory(new byte[256 * Page]);
        new PoisonSafeReader(memory, 256).Read(0, new byte[256 * Page]);
        Assert.Equal(1, memory.Reads);
    }

    [Fact]
    public async Task Digests_agree_on_everything_but_what_the_poisoned_pages_hold()
    {
        (FaultyMemory one, FaultyMemory other) = MakeTwo();
        using FaultyMemory first = one, second = other;
        string whole = await MemoryDigest.ComputeAsync(first, null, Cancel);
        first.Write(300 * Page, new byte[Page]);
        Assert.NotEqual(whole, await MemoryDigest.ComputeAsync(first, null, Cancel));
        foreach (FaultyMemory memory in new[] { first, second })
        {
            memory.Poisoned.Add(new(300, PoisonSource.Injected, DateTimeOffset.UtcNow));
        }
        string digest = await MemoryDigest.ComputeAsync(first, null, Cancel);
        Assert.Equal(digest, await MemoryDigest.ComputeAsync(second, null, Cancel));
        Assert.NotEqual(whole, digest);
        second.Write(301 * Page, [1]);
        Assert.NotEqual(digest, await MemoryDigest.ComputeAsync(second, null, Cancel));
    }

    [Fact]
    public async Task Digests_differ_where_the_sets_of_poisoned_pages_do()
    {
        (FaultyMemory one, FaultyMemory other) = MakeTwo();
        using FaultyMemory first = one, second = other;
        foreach (FaultyMemory memory in new[] { first, second }) memory.Write(300 * Page, new byte[2 * Page]);
        first.Poisoned.Add(new(300, PoisonSource.Injected, DateTimeOffset.UtcNow));
        second.Poisoned.Add(new(301, PoisonSource.Injected, DateTimeOffset.UtcNow));
        Assert.NotEqual(await MemoryDigest.ComputeAsync(first, null, Cancel), await MemoryDigest.ComputeAsync(second, null, Cancel));
    }

    [Fact]
    public async Task A_page_that_turns_bad_under_the_digest_counts_as_if_it_had_been_known()
    {
        (FaultyMemory one, FaultyMemory other) = MakeTwo();
        using FaultyMemory first = one, second = other;
        first.Bad.Add(300);
        second.Poisoned.Add(new(300, PoisonSource.Carried, DateTimeOffset.UtcNow));
        Assert.Equal(await MemoryDigest.ComputeAsync(second, null, Cancel), await MemoryDigest.ComputeAsync(first, null, Cancel));
        Assert.Equal(PoisonSource.FailedRead, Assert.Single(first.Poisoned.ToList()).Source);
    }

    private static (FaultyMemory First, FaultyMemory Second) MakeTwo()
    {
        byte[] content = new byte[PageCount * Page];
        new Random(2).NextBytes(content);
        return (new(content), new([.. content]));
    }
}
