using System.Buffers.Binary;
using System.IO.Hashing;

namespace VmMigration.Engine.Memory;

/// <summary>
/// One XXH128 over all of a paused VM's memory: each MiB is hashed by itself, in parallel, and the digest is the hash of those hashes in
/// order. Holes count as zeros and are not read, so that equal contents give equal digests however sparse their backing is. Poisoned pages
/// count as zeros too; where there are any, their numbers (u64, little-endian, ascending) follow the hashes, so that equal digests also
/// mean that the same pages are poisoned.
/// </summary>
internal static class MemoryDigest
{
    private const int BlockBytes = 1 << 20;
    private const int HashBytes = 16;

    private static readonly byte[] zeroHash = XxHash128.Hash(new byte[BlockBytes]);

    /// <param name="memory">The memory.</param>
    /// <param name="except">Pages that count as zeros whatever they hold; null for none.</param>
    /// <param name="cancellationToken">Cancels the computation.</param>
    /// <returns>The digest as 32 hexadecimal digits.</returns>
    public static Task<string> ComputeAsync(GuestMemory memory, PageSet? except, CancellationToken cancellationToken) =>
        Task.Run(() => Compute(memory, except, cancellationToken), cancellationToken);

    private static string Compute(GuestMemory memory, PageSet? except, CancellationToken cancellationToken)
    {
        while (true)
        {
            // A page that turns bad on the way was hashed with its contents, or by another reader was not: only a look at a set of poisoned
            // pages that stood still is a digest. The set only grows.
            int poisoned = memory.Poisoned.Count;
            byte[] hashes = HashBlocks(memory, except, cancellationToken);
            IReadOnlyList<PoisonedPage> pages = memory.Poisoned.ToList();
            if (pages.Count != poisoned) continue;
            if (except is not null) pages = [.. pages.Where(page => !except.Contains(page.Page))];
            int end = hashes.Length;
            Array.Resize(ref hashes, end + (pages.Count * sizeof(long)));
            for (int i = 0; i < pages.Count; i++)
            {
                BinaryPrimitives.WriteInt64LittleEndian(hashes.AsSpan(end + (i * sizeof(long))), pages[i].Page);
            }

            return Convert.ToHexStringLower(XxHash128.Hash(hashes));
        }
    }

    private static byte[] HashBlocks(GuestMemory memory, PageSet? except, CancellationToken cancellationToken)
    {
        int blockCount = checked((int)((memory.SizeBytes + BlockBytes - 1) / BlockBytes));
        byte[] hashes = new byte[blockCount * HashBytes];
        PageSet blocks = FindBlocksWithData(memory, blockCount);
        var options = new ParallelOptions { CancellationToken = cancellationToken };
        Parallel.For(
            0, blockCount, options,
            () => GC.AllocateUninitializedArray<byte>(BlockBytes),
            (block, _, buffer) =>
            {
                Span<byte> hash = hashes.AsSpan(block * HashBytes, HashBytes);
                Span<byte> bytes = buffer.AsSpan(0, (int)Math.Min(BlockBytes, memory.SizeBytes - ((long)block * BlockBytes)));
                if (!blocks.Contains(block) && bytes.Length == BlockBytes) zeroHash.CopyTo(hash);
                else HashBlock(memory, except, (long)block * BlockBytes, bytes, hash);
                return buffer;
            },
            _ => { });
        return hashes;
    }

    private static PageSet FindBlocksWithData(GuestMemory memory, int blockCount)
    {
        var blocks = new PageSet(blockCount);
        for (long offset = 0; memory.TryFindData(offset, out long start, out long end); offset = end)
        {
            long first = start / BlockBytes;
            blocks.AddRange(first, ((end - 1) / BlockBytes) - first + 1);
        }

        return blocks;
    }

    private static void HashBlock(GuestMemory memory, PageSet? except, long offset, Span<byte> buffer, Span<byte> hash)
    {
        for (int done = 0; done < buffer.Length;)
        {
            done += memory.TryRead(offset + done, buffer[done..]);
            if (done == buffer.Length) break;
            int page = done & ~(GuestMemory.PageSizeBytes - 1);
            buffer.Slice(page, GuestMemory.PageSizeBytes).Clear();
            done = page + GuestMemory.PageSizeBytes;
        }

        if (except is not null) ClearPages(buffer, except, offset >> GuestMemory.PageShift);
        XxHash128.Hash(buffer, hash);
    }

    private static void ClearPages(Span<byte> block, PageSet pages, long firstPage)
    {
        long end = firstPage + (block.Length >> GuestMemory.PageShift);
        for (long next = firstPage; pages.TryFindRun(next, end, out long first, out long count); next = first + count)
        {
            block.Slice((int)(first - firstPage) << GuestMemory.PageShift, (int)count << GuestMemory.PageShift).Clear();
        }
    }
}
