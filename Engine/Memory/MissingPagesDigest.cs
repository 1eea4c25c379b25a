using System.Globalization;
using System.IO.Hashing;

namespace VmMigration.Engine.Memory;

/// <summary>
/// One digest over pages that are read or arrive in any order: the sum, modulo 2^128, of the XXH128 of each page seeded with its number.
/// Each page must be added once.
/// </summary>
internal struct MissingPagesDigest
{
    private UInt128 sum;

    /// <summary>Adds a page with its contents.</summary>
    public void Add(long page, ReadOnlySpan<byte> contents) => sum = unchecked(sum + XxHash128.HashToUInt128(contents, page));

    /// <summary>Adds a poisoned page, which has no contents.</summary>
    public void AddPoisoned(long page) => Add(page, []);

    /// <summary>The digest as 32 hexadecimal digits.</summary>
    public override readonly string ToString() => sum.ToString("x32", CultureInfo.InvariantCulture);

    /// <summary>Reads the pages of a set from memory that stands still.</summary>
    public static Task<string> ComputeAsync(GuestMemory memory, PageSet pages, CancellationToken cancellationToken) =>
        Task.Factory.StartNew(
            () => Compute(memory, pages, cancellationToken), cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static string Compute(GuestMemory memory, PageSet pages, CancellationToken cancellationToken)
    {
        var digest = new MissingPagesDigest();
        byte[] buffer = GC.AllocateUninitializedArray<byte>(GuestMemory.PageSizeBytes);
        for (long next = 0; pages.TryFindRun(next, pages.PageCount, out long first, out long count); next = first + count)
        {
            for (long page = first; page < first + count; page++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (memory.TryRead(page << GuestMemory.PageShift, buffer) == buffer.Length) digest.Add(page, buffer);
                else digest.AddPoisoned(page);
            }
        }

        return digest.ToString();
    }
}
