using System.Buffers.Binary;
using CsCheck;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Protocol;

public class MissingFrameTests
{
    private const long PageCount = 1 << 16;

    [Fact]
    public void Any_set_of_pages_arrives_as_it_was_sent()
    {
        Gen.Select(Gen.Long[0, PageCount - 1], Gen.Long[1, 300]).Array[0, 200].Sample(runs =>
        {
            var sent = new PageSet(PageCount);
            foreach ((long first, long count) in runs) sent.AddRange(first, Math.Min(count, PageCount - first));
            var received = new PageSet(PageCount);
            foreach (ReadOnlyMemory<byte> payload in MissingFrame.Encode(sent)) MissingFrame.Decode(payload.Span, received);
            Assert.Equal(sent.Count, received.Count);
            for (long next = 0; sent.TryFindRun(next, PageCount, out long first, out long count); next = first + count)
            {
                Assert.True(
                    received.TryFindRun(first, first + count, out long found, out long length) && found == first && length == count);
            }
        }, iter: 200);
    }

    [Fact]
    public void A_set_scattered_over_many_runs_travels_in_frames_of_the_allowed_length()
    {
        var sent = new PageSet(PageCount);
        for (long page = 0; page < PageCount; page += 2) sent.Add(page);
        var received = new PageSet(PageCount);
        int frames = 0;
        foreach (ReadOnlyMemory<byte> payload in MissingFrame.Encode(sent))
        {
            Assert.True(payload.Length <= FrameHeader.MaxControlPayloadBytes);
            MissingFrame.Decode(payload.Span, received);
            frames++;
        }

        Assert.Equal(2, frames);
        Assert.Equal(PageCount / 2, received.Count);
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, 0)]
    [InlineData(0, -1)]
    [InlineData(PageCount, 1)]
    [InlineData(PageCount - 1, 2)]
    [InlineData(1, long.MaxValue)]
    [InlineData(long.MaxValue, long.MaxValue)]
    public void A_run_outside_guest_memory_is_refused(long first, long count)
    {
        byte[] payload = new byte[MissingFrame.RunBytes];
        BinaryPrimitives.WriteInt64LittleEndian(payload, first);
        BinaryPrimitives.WriteInt64LittleEndian(payload.AsSpan(8), count);
        AssertViolation(() => MissingFrame.Decode(payload, new(PageCount)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(15)]
    [InlineData(17)]
    public void A_list_that_is_no_whole_number_of_runs_is_refused(int bytes) =>
        AssertViolation(() => MissingFrame.Decode(new byte[bytes], new(PageCount)));

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData((MissingFrame.MaxRequests + 1) * 8)]
    public void A_request_of_no_whole_number_of_pages_or_too_many_is_refused(int bytes) =>
        AssertViolation(() => MissingFrame.DecodeRequest(new byte[bytes], PageCount));

    [Theory]
    [InlineData(-1)]
    [InlineData(PageCount)]
    public void A_request_for_a_page_outside_guest_memory_is_refused(long page) =>
        AssertViolation(() => MissingFrame.DecodeRequest(MissingFrame.EncodeRequest(page), PageCount));

    [Fact]
    public void A_request_arrives_as_it_was_sent() =>
        Assert.Equal([PageCount - 1], MissingFrame.DecodeRequest(MissingFrame.EncodeRequest(PageCount - 1), PageCount));

    private static void AssertViolation(Action read) =>
        Assert.Equal(MigrationErrorReason.ProtocolViolation, Assert.Throws<MigrationException>(read).Reason);
}
