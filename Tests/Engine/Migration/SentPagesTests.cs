using CsCheck;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

public class SentPagesTests
{
    private const int Page = 4096;

    [Fact]
    public void A_page_that_was_never_sent_is_never_unchanged_not_even_zeros()
    {
        var sent = new SentPages(2);
        Assert.False(sent.IsUnchanged(0, sent.Hash(new byte[Page])));
        Assert.False(sent.IsUnchanged(1, default));
    }

    [Fact]
    public void Only_what_was_kept_last_is_unchanged()
    {
        var sent = new SentPages(3);
        byte[] zeros = new byte[Page];
        byte[] data = [.. Enumerable.Range(0, Page).Select(i => (byte)i)];
        sent.Keep(1, sent.Hash(zeros));
        Assert.True(sent.IsUnchanged(1, sent.Hash(zeros)));
        Assert.False(sent.IsUnchanged(0, sent.Hash(zeros)));
        sent.Keep(1, sent.Hash(data));
        Assert.True(sent.IsUnchanged(1, sent.Hash(data)));
        Assert.False(sent.IsUnchanged(1, sent.Hash(zeros)));
        sent.Forget(1);
        Assert.False(sent.IsUnchanged(1, sent.Hash(data)));
    }

    [Fact]
    public void Any_single_bit_that_changes_changes_the_page() =>
        (from seed in Gen.ULong from bit in Gen.Int[0, (Page * 8) - 1] select (seed, bit)).Sample(change =>
        {
            byte[] page = new byte[Page];
            new Random((int)change.seed).NextBytes(page);
            var sent = new SentPages(1);
            sent.Keep(0, sent.Hash(page));
            page[change.bit >> 3] ^= (byte)(1 << (change.bit & 7));
            return !sent.IsUnchanged(0, sent.Hash(page));
        });

    [Fact]
    public void Two_migrations_hash_differently() =>
        Assert.NotEqual(new SentPages(1).Hash(new byte[Page]), new SentPages(1).Hash(new byte[Page]));
}
