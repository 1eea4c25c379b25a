using System.Diagnostics;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

public class BandwidthLimitTests
{
    [Fact]
    public async Task The_first_bytes_keep_to_the_limit_as_the_later_ones_do()
    {
        using var limit = new BandwidthLimit(1_000_000, 1_000_000);
        var watch = Stopwatch.StartNew();
        for (int i = 0; i < 5; i++) await limit.WaitAsync(100_000, TestContext.Current.CancellationToken);

        Assert.True(watch.Elapsed >= TimeSpan.FromMilliseconds(400), $"500 kB passed a limit of 1 MB/s in {watch.Elapsed.TotalMilliseconds:F0} ms");
    }

    [Fact]
    public async Task No_limit_lets_everything_pass_at_once()
    {
        using var limit = new BandwidthLimit(0, 1_000_000);
        await limit.WaitAsync(int.MaxValue, TestContext.Current.CancellationToken);
    }
}
