using VmMigration.Engine.Disks;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

public sealed class FragmentRetentionTests : IDisposable
{
    private readonly StoreBench bench = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => bench.Dispose();

    [Fact]
    public async Task Fragments_past_their_age_go_and_one_in_use_stays()
    {
        DiskFragment old = await bench.LeaveFragmentAsync(5, StoreBench.Request("old.img"));
        DiskFragment used = await bench.LeaveFragmentAsync(
            5, StoreBench.Request("used.img", StoreBench.Source() with { Path = "/images/used.img" }));
        FragmentStore store = bench.Open();
        IncompleteDiskPlace place = await store.TakeAsync(
            StoreBench.Request("used.img", StoreBench.Source() with { Path = "/images/used.img" }), Cancel);
        Assert.Equal(used, place.Fragment);
        bench.Clock.Advance(TimeSpan.FromDays(8));

        await store.TidyAsync(Cancel);

        Assert.Empty(await store.ListAsync(Cancel));
        Assert.False(File.Exists(old.Path));
        Assert.True(File.Exists(place.FilePath));
        Assert.Equal(place.TransferId, Assert.Single(bench.Records.ReadAll()).Id);
    }

    [Fact]
    public async Task Past_the_limit_of_space_the_oldest_fragments_go_first()
    {
        bench.Retention = new(TimeSpan.FromDays(7), 13 << 20);
        List<DiskFragment> fragments = [];
        for (int i = 0; i < 3; i++)
        {
            string path = $"/images/{i}.img";
            fragments.Add(await bench.LeaveFragmentAsync(5, StoreBench.Request($"{i}.img", StoreBench.Source() with { Path = path })));
            bench.Clock.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(fragments.Skip(1), await bench.Open().ListAsync(Cancel));
        Assert.Equal(4, bench.IncompleteFiles().Count);
    }

    [Fact]
    public async Task A_fragment_that_alone_is_past_the_limit_is_not_claimed_to_be_kept()
    {
        bench.Retention = new(TimeSpan.FromDays(7), 1 << 20);
        FragmentStore store = bench.Open();
        IncompleteDiskPlace place = await store.TakeAsync(StoreBench.Request(), Cancel);
        StoreBench.Write(store, place, SampleBlocks.Contents(8), 5);
        Assert.Null(await store.KeepAsync(place.TransferId, MigrationErrorReason.ConnectionLost, "Broken."));
        Assert.Empty(bench.IncompleteFiles());
    }
}
