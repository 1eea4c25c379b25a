using VmMigration.Engine.Memory;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

public class MissingRangesTests
{
    private const long LargePage = 512;

    [Fact]
    public void No_large_page_is_watched_in_part_and_no_missing_page_is_left_out()
    {
        var random = new Random(1);
        for (int round = 0; round < 50; round++)
        {
            var missing = new PageSet((200 * LargePage) + random.Next(1, 600));
            for (int i = 0; i < 300; i++) missing.Add(random.NextInt64(missing.PageCount));
            var watched = new PageSet(missing.PageCount);
            long end = 0;
            foreach ((long first, long count) in MissingRanges.Cover(missing))
            {
                Assert.True(first >= end && count > 0 && first + count <= missing.PageCount);
                Assert.Equal(0, first % LargePage);
                Assert.True((first + count) % LargePage == 0 || first + count == missing.PageCount);
                watched.AddRange(first, count);
                end = first + count;
            }

            for (long page = 0; page < missing.PageCount; page++) Assert.True(!missing.Contains(page) || watched.Contains(page));
        }
    }

    [Fact]
    public void Few_ranges_are_made_of_many_pages_far_apart()
    {
        var missing = new PageSet(4096 * LargePage);
        for (long page = 7; page < missing.PageCount; page += 2 * LargePage) missing.Add(page);
        Assert.InRange(MissingRanges.Cover(missing).Count, 1, 256);
    }
}
