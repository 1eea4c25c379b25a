using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Puts pages that arrive in a post-copy into their places. A run is received whole before the guest sees any of it, so that a link that
/// breaks leaves nothing half done. Used by all data connections at once, also those of a later link.
/// </summary>
internal sealed class PagePlacement
{
    private readonly MissingPages missing;
    private readonly PageSet expected;
    private readonly TaskCompletionSource allPlaced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock hashing = new();
    private readonly PageSet? unhashed;
    private MissingPagesDigest digest;

    /// <param name="missing">Takes the pages.</param>
    /// <param name="expected">The pages that were missing at first; not changed any more.</param>
    /// <param name="verify">Whether to compute the digest.</param>
    public PagePlacement(MissingPages missing, PageSet expected, bool verify)
    {
        this.missing = missing;
        this.expected = expected;
        if (verify) unhashed = expected.Copy();
        if (missing.RemainingCount == 0) allPlaced.TrySetResult();
    }

    /// <summary>Completes once no page is missing.</summary>
    public Task AllPlaced => allPlaced.Task;

    /// <summary>Digest of all pages as they arrived, once none is missing; null where none was wanted.</summary>
    public string? Digest
    {
        get
        {
            if (unhashed is null) return null;
            lock (hashing) return digest.ToString();
        }
    }

    /// <summary>Makes what a connection needs for its runs.</summary>
    public static byte[] MakeBuffer() =>
        GC.AllocateUninitializedArray<byte>(PageFrame.MaxPages * GuestMemory.PageSizeBytes, pinned: true);

    /// <summary>Receives the contents of a run, if it has any, and places it.</summary>
    /// <exception cref="MigrationException">
    /// The connection broke, the run names pages that never were missing, or placing failed.
    /// </exception>
    public void Receive(DataConnection connection, PageRun run, byte[] buffer)
    {
        if (!expected.TryFindRun(run.FirstPage, run.FirstPage + run.PageCount, out long first, out long count)
            || first != run.FirstPage || count != run.PageCount)
        {
            throw new MigrationException(
                MigrationErrorReason.ProtocolViolation,
                $"The peer sent {run.PageCount} pages at page {run.FirstPage}, which were not missing.");
        }

        Span<byte> contents = run.Kind == PageRunKind.Data ? buffer.AsSpan(0, run.PageCount << GuestMemory.PageShift) : [];
        connection.Receive(contents);
        if (unhashed is not null) AddToDigest(run, contents);
        Place(run, contents);
        if (missing.RemainingCount == 0) allPlaced.TrySetResult();
    }

    private void Place(PageRun run, ReadOnlySpan<byte> contents)
    {
        switch (run.Kind)
        {
            case PageRunKind.Data:
                missing.Place(run.FirstPage, contents);
                break;
            case PageRunKind.Zero:
                missing.PlaceZeros(run.FirstPage, run.PageCount);
                break;
            default:
                for (long page = run.FirstPage; page < run.FirstPage + run.PageCount; page++) missing.PlacePoisoned(page);
                break;
        }
    }

    /// <summary>A page that comes twice, asked for and by itself, counts once.</summary>
    private void AddToDigest(PageRun run, ReadOnlySpan<byte> contents)
    {
        lock (hashing)
        {
            for (int i = 0; i < run.PageCount; i++)
            {
                long page = run.FirstPage + i;
                if (!unhashed!.Contains(page)) continue;
                unhashed.Remove(page);
                if (run.Kind == PageRunKind.Data) digest.Add(page, contents.Slice(i << GuestMemory.PageShift, GuestMemory.PageSizeBytes));
                else if (run.Kind == PageRunKind.Zero) digest.Add(page, GuestMemory.ZeroPage);
                else digest.AddPoisoned(page);
            }
        }
    }
}
