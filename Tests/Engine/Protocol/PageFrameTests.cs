using CsCheck;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Protocol;

public class PageFrameTests
{
    private const long PageCount = 10_000;

    private static readonly Gen<PageRun[]> runs =
        Gen.Select(Gen.Int[0, 5], Gen.Int[1, 20], Gen.Int[1, 3]).Array[1, 12].Select(parts =>
        {
            List<PageRun> list = [];
            long next = 512;
            foreach ((int gap, int count, int kind) in parts)
            {
                if (next + gap + count > 512 + PageFrame.MaxPages) break;
                list.Add(new(next + gap, count, (PageRunKind)kind));
                next += gap + count;
            }

            return list.ToArray();
        });

    [Fact]
    public void What_is_written_is_read_back() => runs.Sample(written =>
    {
        byte[] head = new byte[PageFrame.MaxHeadBytes];
        int length = PageFrame.WriteHead(head, 512, written);
        FrameHeader header = FrameHeader.Read(head, PageFrame.MaxPayloadBytes);
        ReadOnlySpan<byte> prologue = head.AsSpan(FrameHeader.SizeBytes, PageFrame.PrologueBytes);
        (long basePage, int count) = PageFrame.ReadPrologue(prologue, header.PayloadBytes, PageCount);
        var read = new PageRun[count];
        PageFrame.ReadRuns(
            head.AsSpan(FrameHeader.SizeBytes + PageFrame.PrologueBytes, count * PageFrame.RunBytes), basePage, header.PayloadBytes, PageCount, read);
        return basePage == 512 && read.AsSpan().SequenceEqual(written)
            && length == FrameHeader.SizeBytes + PageFrame.PrologueBytes + (count * PageFrame.RunBytes);
    });

    [Fact]
    public void A_flipped_bit_in_the_head_is_refused_or_stays_inside_guest_memory() =>
        Gen.Select(runs, Gen.Int[0, 100_000]).Sample((written, position) =>
        {
            byte[] head = new byte[PageFrame.MaxHeadBytes];
            int length = PageFrame.WriteHead(head, 512, written);
            int bit = position % (length * 8);
            head[bit / 8] ^= (byte)(1 << (bit % 8));
            try
            {
                FrameHeader header = FrameHeader.Read(head, PageFrame.MaxPayloadBytes);
                (long basePage, int count) = PageFrame.ReadPrologue(
                    head.AsSpan(FrameHeader.SizeBytes, PageFrame.PrologueBytes), header.PayloadBytes, PageCount);
                var read = new PageRun[count];
                PageFrame.ReadRuns(
                    head.AsSpan(FrameHeader.SizeBytes + PageFrame.PrologueBytes, count * PageFrame.RunBytes), basePage, header.PayloadBytes,
                    PageCount, read);
                return read.All(run => run.FirstPage >= 0 && run.FirstPage + run.PageCount <= PageCount);
            }
            catch (MigrationException error)
            {
                return error.Reason == MigrationErrorReason.ProtocolViolation;
            }
        });

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(ushort.MaxValue)]
    public void A_run_of_an_unknown_kind_is_refused(int kind) => AssertRefused(kind, extraBytes: 0);

    [Fact]
    public void A_poisoned_run_that_claims_to_bring_contents_is_refused() =>
        AssertRefused((int)PageRunKind.Poisoned, extraBytes: GuestMemory.PageSizeBytes);

    private static void AssertRefused(int kind, int extraBytes)
    {
        byte[] head = new byte[PageFrame.MaxHeadBytes];
        PageFrame.WriteHead(head, 512, [new(512, 1, (PageRunKind)kind)]);
        byte[] table = head[(FrameHeader.SizeBytes + PageFrame.PrologueBytes)..];
        int payloadBytes = PageFrame.PrologueBytes + PageFrame.RunBytes + extraBytes;
        var refused = Assert.Throws<MigrationException>(
            () => PageFrame.ReadRuns(table.AsSpan(0, PageFrame.RunBytes), 512, payloadBytes, PageCount, new PageRun[1]));
        Assert.Equal(MigrationErrorReason.ProtocolViolation, refused.Reason);
    }
}
