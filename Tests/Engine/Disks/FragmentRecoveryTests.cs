using VmMigration.Engine.Disks;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>An engine that ends at any step leaves records and files that the next one puts into order, also where that one ends too.</summary>
public sealed class FragmentRecoveryTests
{
    private const int Blocks = 2;

    private static readonly byte[] contents = SampleBlocks.Contents(Blocks);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string> Stories => ["fails", "completes", "replaces", "fails-again", "completes-from-fragment", "removes"];

    [Theory]
    [MemberData(nameof(Stories))]
    public async Task After_a_crash_at_any_step_each_record_has_its_file_and_each_file_its_record(string story)
    {
        int steps = await CountStepsAsync(story);
        Assert.True(steps > 3, $"'{story}' takes {steps} steps only.");
        for (int at = 0; at < steps; at++)
        {
            using StoreBench bench = await PrepareAsync(story);
            await RunUntilAsync(bench, story, new(at));
            await bench.Open().RecoverAsync(Cancel);
            RequireOrder(bench, story, $"a crash after step {at}");
        }
    }

    [Theory]
    [MemberData(nameof(Stories))]
    public async Task A_recovery_that_is_interrupted_at_any_step_is_made_up_for_by_the_next(string story)
    {
        int steps = await CountStepsAsync(story);
        for (int at = 0; at < steps; at++)
        {
            bool interrupted = true;
            for (int recoveryAt = 0; interrupted; recoveryAt++)
            {
                using StoreBench bench = await PrepareAsync(story);
                await RunUntilAsync(bench, story, new(at));
                interrupted = await RecoverUntilAsync(bench, new(recoveryAt));
                await bench.Open().RecoverAsync(Cancel);
                RequireOrder(bench, story, $"a crash after step {at} and another after step {recoveryAt} of the recovery");
            }
        }
    }

    [Fact]
    public async Task Recovery_changes_nothing_where_all_is_in_order()
    {
        using var bench = new StoreBench();
        DiskFragment fragment = await bench.LeaveFragmentAsync(3);
        TransferRecord before = Assert.Single(bench.Records.ReadAll());
        IReadOnlyList<string> files = bench.IncompleteFiles();

        await bench.Open().RecoverAsync(Cancel);

        Assert.Equal(before, Assert.Single(bench.Records.ReadAll()));
        Assert.Equal(files, bench.IncompleteFiles());
        Assert.Equal(fragment.Path, files.Single(path => path.EndsWith(".disk", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task What_a_killed_engine_left_is_gone_on_from_where_it_was_recorded()
    {
        using var bench = new StoreBench();
        FragmentStore killed = bench.Open();
        IncompleteDiskPlace place = await killed.TakeAsync(StoreBench.Request(), Cancel);
        StoreBench.Write(killed, place, SampleBlocks.Contents(8), 5);

        FragmentStore next = bench.Open();
        await next.RecoverAsync(Cancel);

        DiskFragment fragment = Assert.Single(await next.ListAsync(Cancel));
        Assert.Equal(place.TransferId, fragment.Id);
        Assert.Equal(5 << 20, fragment.OffsetBytes);
        Assert.Equal(MigrationErrorReason.DestinationFailed, fragment.Reason);
        IncompleteDiskPlace again = await next.TakeAsync(StoreBench.Request(), Cancel);
        Assert.Equal(DiskResumptionKind.Continued, again.Resumption.Kind);
        Assert.Equal(5 << 20, again.Resumption.OffsetBytes);
        Assert.Equal(SampleBlocks.Contents(8).AsSpan(0, 5 << 20), File.ReadAllBytes(again.FilePath).AsSpan(0, 5 << 20));
    }

    [Fact]
    public async Task A_record_whose_file_was_removed_goes_with_its_digests()
    {
        using var bench = new StoreBench();
        DiskFragment fragment = await bench.LeaveFragmentAsync(3);
        File.Delete(fragment.Path);

        await bench.Open().RecoverAsync(Cancel);

        Assert.Empty(bench.Records.ReadAll());
        Assert.Empty(bench.IncompleteFiles());
    }

    [Fact]
    public async Task A_file_of_the_store_without_a_record_is_removed_and_other_hosts_files_stay()
    {
        using var bench = new StoreBench();
        DiskFragment fragment = await bench.LeaveFragmentAsync(3);
        string stray = Path.Combine(bench.StoreDirectory, $"{Guid.NewGuid():N}.disk");
        await File.WriteAllTextAsync(stray, "stray", Cancel);
        string foreign = Path.Combine(bench.StoreDirectory, "..", "another", $"{Guid.NewGuid():N}.disk");
        Directory.CreateDirectory(Path.GetDirectoryName(foreign)!);
        await File.WriteAllTextAsync(foreign, "foreign", Cancel);

        await bench.Open().RecoverAsync(Cancel);

        Assert.False(File.Exists(stray));
        Assert.True(File.Exists(foreign));
        Assert.True(File.Exists(fragment.Path));
    }

    /// <summary>What there is before the story.</summary>
    private static async Task<StoreBench> PrepareAsync(string story)
    {
        var bench = new StoreBench();
        if (story is "fails-again" or "completes-from-fragment" or "removes")
        {
            FragmentStore store = bench.Open();
            IncompleteDiskPlace place = await store.TakeAsync(Request(), Cancel);
            StoreBench.Write(store, place, contents, 1, Blocks);
            await store.KeepAsync(place.TransferId, MigrationErrorReason.ConnectionLost, "The link broke.");
        }

        if (story == "replaces") await File.WriteAllTextAsync(bench.File("disk.img"), "before", Cancel);
        return bench;
    }

    private static async Task TellAsync(StoreBench bench, string story, FragmentStore store)
    {
        if (story == "removes")
        {
            await store.RemoveAsync(bench.Records.ReadAll().Single().Id, CancellationToken.None);
            return;
        }

        IncomingDiskRequest request = Request(overwrite: story == "replaces");
        IncompleteDiskPlace place = await store.TakeAsync(request, CancellationToken.None);
        StoreBench.Write(store, place, contents, story is "fails" ? 1 : Blocks, Blocks);
        if (story is "fails" or "fails-again") await store.KeepAsync(place.TransferId, MigrationErrorReason.ConnectionLost, "Broken.");
        else await store.CompleteAsync(place.TransferId);
    }

    private static async Task<int> CountStepsAsync(string story)
    {
        using StoreBench bench = await PrepareAsync(story);
        var none = new CrashPoint(int.MaxValue);
        await TellAsync(bench, story, bench.Open(none.Wrap(new FragmentFiles()), none.Wrap(bench.Records)));
        return none.Steps;
    }

    private static async Task RunUntilAsync(StoreBench bench, string story, CrashPoint crash) =>
        await Assert.ThrowsAsync<CrashPoint.CrashException>(
            () => TellAsync(bench, story, bench.Open(crash.Wrap(new FragmentFiles()), crash.Wrap(bench.Records))));

    private static async Task<bool> RecoverUntilAsync(StoreBench bench, CrashPoint crash)
    {
        try
        {
            await bench.Open(crash.Wrap(new FragmentFiles()), crash.Wrap(bench.Records)).RecoverAsync(Cancel);
            return false;
        }
        catch (CrashPoint.CrashException)
        {
            return true;
        }
    }

    private static void RequireOrder(StoreBench bench, string story, string when)
    {
        IReadOnlyList<TransferRecord> records = bench.Records.ReadAll();
        HashSet<string> allowed = [.. records.SelectMany(record => new[] { record.FilePath, record.DigestsPath })];
        foreach (TransferRecord record in records)
        {
            Assert.True(record is { State: TransferRecordState.Kept, FormerPlace: null }, $"After {when} a record is {record}.");
            Assert.True(File.Exists(record.FilePath), $"After {when} record {record.Id} has no file.");
            Assert.Equal(bench.StoreDirectory, Path.GetDirectoryName(record.Place));
            int present = (int)record.OffsetBytes;
            Assert.Equal(contents.AsSpan(0, present), File.ReadAllBytes(record.FilePath).AsSpan(0, present));
            Assert.Equal(FragmentDamage.None, FragmentEvidence.Gather(record, new FragmentFiles())!.Damage);
        }

        Assert.All(bench.IncompleteFiles(), path => Assert.True(allowed.Contains(path), $"After {when} no record names '{path}'."));
        string final = bench.File("disk.img");
        bool whole = File.Exists(final) && File.ReadAllBytes(final).AsSpan().SequenceEqual(contents);
        if (story == "replaces") Assert.True(whole || File.ReadAllText(final) == "before", $"After {when} '{final}' is torn.");
        else Assert.True(whole || !File.Exists(final), $"After {when} '{final}' is torn.");
        if (story is "fails-again" or "completes-from-fragment")
        {
            Assert.True(whole || records.Single().OffsetBytes >= BlockDigests.BlockBytes, $"After {when} the fragment is lost.");
        }
    }

    private static IncomingDiskRequest Request(bool overwrite = false) => StoreBench.Request(
        source: StoreBench.Source((long)Blocks * BlockDigests.BlockBytes), options: new() { Overwrite = overwrite });
}
