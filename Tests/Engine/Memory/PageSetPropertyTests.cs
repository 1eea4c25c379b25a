using CsCheck;
using VmMigration.Engine.Memory;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

public class PageSetPropertyTests
{
    private enum Kind
    {
        Add,
        AddRange,
        Remove,
        Clear,
    }

    [Fact]
    public void Any_sequence_of_changes_gives_the_same_members_as_a_hash_set()
    {
        Gen.Int[1, 400].SelectMany(pageCount => Gen.Select(Gen.Const(pageCount), Change(pageCount).Array[0, 60])).Sample(input =>
        {
            (int pageCount, (Kind Kind, int First, int Count)[] changes) = input;
            var pages = new PageSet(pageCount);
            var oracle = new HashSet<long>();
            foreach ((Kind kind, int first, int count) in changes) Apply(pages, oracle, kind, first, Math.Min(count, pageCount - first));
            Assert.Equal(oracle.Count, pages.Count);
            Assert.All(Enumerable.Range(0, pageCount), page => Assert.Equal(oracle.Contains(page), pages.Contains(page)));
            Assert.Equal(oracle.Order(), Members(pages, 0, pageCount));
        });
    }

    [Fact]
    public void Runs_inside_any_window_are_its_members_in_order_with_gaps_between()
    {
        Gen.Select(Gen.Int[0, 299].Array[0, 200], Gen.Int[0, 300], Gen.Int[0, 350]).Sample((members, from, limit) =>
        {
            var pages = new PageSet(300);
            foreach (int page in members) pages.Add(page);
            Assert.Equal(members.Distinct().Where(page => page >= from && page < limit).Order().Select(page => (long)page),
                Members(pages, from, limit));
        });
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(100, 1)]
    [InlineData(99, 2)]
    [InlineData(0, -1)]
    [InlineData(long.MaxValue, 2)]
    public void Range_outside_the_set_is_refused(long first, long count)
    {
        var pages = new PageSet(100);
        Assert.Throws<ArgumentOutOfRangeException>(() => pages.AddRange(first, count));
        Assert.Equal(0, pages.Count);
    }

    private static Gen<(Kind Kind, int First, int Count)> Change(int pageCount) => Gen.Select(
        Gen.Frequency(
            (8, Gen.Const(Kind.Add)), (8, Gen.Const(Kind.AddRange)), (8, Gen.Const(Kind.Remove)), (1, Gen.Const(Kind.Clear))),
        Gen.Int[0, pageCount - 1],
        Gen.Int[0, pageCount]);

    private static void Apply(PageSet pages, HashSet<long> oracle, Kind kind, int first, int count)
    {
        switch (kind)
        {
            case Kind.Add:
                pages.Add(first);
                oracle.Add(first);
                break;
            case Kind.AddRange:
                pages.AddRange(first, count);
                for (long page = first; page < first + count; page++) oracle.Add(page);
                break;
            case Kind.Remove:
                pages.Remove(first);
                oracle.Remove(first);
                break;
            default:
                pages.Clear();
                oracle.Clear();
                break;
        }
    }

    private static List<long> Members(PageSet pages, long from, long limit)
    {
        List<long> members = [];
        long previousEnd = -1;
        while (pages.TryFindRun(from, limit, out long first, out long count))
        {
            Assert.True(count > 0 && first > previousEnd, "A run is empty or touches the one before.");
            for (long page = first; page < first + count; page++) members.Add(page);
            from = previousEnd = first + count;
        }

        return members;
    }
}
