using VmMigration.Engine.Disks;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

public sealed class DiskResumptionDecisionTests
{
    private const long Size = 4L << 30;

    [Fact]
    public void Without_a_fragment_the_transfer_begins_fresh()
    {
        DiskResumption resumption = DiskResumptionDecision.Decide(StoreBench.Request(), []);
        Assert.Equal(DiskResumption.Fresh, resumption);
    }

    [Fact]
    public void A_fragment_that_may_not_be_used_is_left_alone() => Assert.Equal(
        DiskResumptionKind.Fresh,
        DiskResumptionDecision.Decide(Request() with { Options = new() { UseFragment = false } }, [Evidence()]).Kind);

    [Fact]
    public void An_unchanged_source_is_gone_on_from_the_recorded_offset()
    {
        FragmentEvidence fragment = Evidence(offset: Size * 9 / 10);
        DiskResumption resumption = DiskResumptionDecision.Decide(Request(), [fragment]);
        Assert.Equal(DiskResumptionKind.Continued, resumption.Kind);
        Assert.Equal(fragment.Record.Id, resumption.FragmentId);
        Assert.Equal(Size * 9 / 10, resumption.OffsetBytes);
        Assert.Equal("The disk was not written since: its first 3.6 GiB of 4 GiB stay.", resumption.Reason);
    }

    [Fact]
    public void A_source_that_was_written_is_compared_block_by_block_and_said_to_be()
    {
        DiskResumption resumption = DiskResumptionDecision.Decide(Request(changed: 2), [Evidence()]);
        Assert.Equal(DiskResumptionKind.Compared, resumption.Kind);
        Assert.Equal(0, resumption.OffsetBytes);
        Assert.StartsWith("The disk was written since the fragment was copied.", resumption.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_source_of_another_length_is_compared_and_both_lengths_are_said()
    {
        IncomingDiskRequest request = StoreBench.Request(source: StoreBench.Source(Size + (1L << 30), changed: 2));
        DiskResumption resumption = DiskResumptionDecision.Decide(request, [Evidence()]);
        Assert.Equal(DiskResumptionKind.Compared, resumption.Kind);
        Assert.Contains("had 4 GiB and has 5 GiB now", resumption.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FragmentDamage.FileTruncated, "shorter than its record says")]
    [InlineData(FragmentDamage.DigestsTruncated, "Digests of the fragment are missing")]
    [InlineData(FragmentDamage.DigestsChanged, "not those of its record")]
    internal void A_damaged_fragment_is_compared_although_the_source_is_the_same(FragmentDamage damage, string reason)
    {
        DiskResumption resumption = DiskResumptionDecision.Decide(Request(), [Evidence(damage: damage)]);
        Assert.Equal(DiskResumptionKind.Compared, resumption.Kind);
        Assert.Equal(0, resumption.OffsetBytes);
        Assert.Contains(reason, resumption.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_that_lost_its_end_is_begun_anew()
    {
        FragmentEvidence fragment = Evidence(damage: FragmentDamage.FileTruncated, format: DiskFormat.Qcow2);
        DiskResumption resumption = DiskResumptionDecision.Decide(
            Request() with { Options = new() { DestinationFormat = DiskFormat.Qcow2 } }, [fragment]);
        Assert.Equal(DiskResumptionKind.Anew, resumption.Kind);
        Assert.Equal(fragment.Record.Id, resumption.FragmentId);
    }

    [Fact]
    public void A_small_fragment_of_other_contents_is_cheaper_sent_anew()
    {
        DiskResumption resumption = DiskResumptionDecision.Decide(Request(changed: 2), [Evidence(allocated: 32 << 20)]);
        Assert.Equal(DiskResumptionKind.Anew, resumption.Kind);
        Assert.Contains("Comparing the 32 MiB that are there would take longer", resumption.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Over_a_slow_link_even_a_small_fragment_is_compared()
    {
        IncomingDiskRequest request = Request(changed: 2) with { Options = new() { MaxBytesPerSecond = 10_000_000 } };
        Assert.Equal(DiskResumptionKind.Compared, DiskResumptionDecision.Decide(request, [Evidence(allocated: 32 << 20)]).Kind);
    }

    [Fact]
    public void Of_several_fragments_the_one_that_spares_most_is_taken()
    {
        FragmentEvidence changed = Evidence(offset: Size * 3 / 4, changed: 7);
        FragmentEvidence small = Evidence(offset: Size / 4);
        FragmentEvidence large = Evidence(offset: Size / 2);
        Assert.Equal(large.Record.Id, DiskResumptionDecision.Decide(Request(), [changed, small, large]).FragmentId);
        Assert.Equal(changed.Record.Id, DiskResumptionDecision.Decide(Request(changed: 8), [changed]).FragmentId);
    }

    [Fact]
    public void A_fragment_of_which_nothing_is_recorded_is_not_gone_on_from()
    {
        DiskResumption resumption = DiskResumptionDecision.Decide(Request(), [Evidence(offset: 0)]);
        Assert.Equal(DiskResumptionKind.Compared, resumption.Kind);
        Assert.StartsWith("Nothing of the fragment is recorded", resumption.Reason, StringComparison.Ordinal);
    }

    private static IncomingDiskRequest Request(long changed = 1) => StoreBench.Request(source: StoreBench.Source(Size, changed));

    private static FragmentEvidence Evidence(
        long offset = Size / 2, FragmentDamage damage = FragmentDamage.None, long changed = 1, long? allocated = null, DiskFormat? format = null) =>
        new(
            new()
            {
                Id = Guid.NewGuid(),
                State = TransferRecordState.Kept,
                Source = StoreBench.Source(Size, changed),
                DestinationPath = "/disks/disk.img",
                DestinationFormat = format,
                OffsetBytes = offset,
                Place = "/disks/.fragments/here/x",
                RecordedAt = DateTimeOffset.UnixEpoch,
            },
            allocated ?? Math.Max(offset, 1L << 30), damage);
}
