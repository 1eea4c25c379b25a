namespace VmMigration.Engine.Memory;

/// <summary>
/// The RAM of one VM, addressed by offset in bytes from the start of its RAM block (not by guest-physical address: a machine may
/// map the block around a hole below 4 GiB). Nothing dereferences the memory of a real guest unless a system call read it first,
/// because a load from a poisoned page kills the process.
/// </summary>
/// <remarks>Every member is safe to call from several threads at once; a race with the guest yields old or new bytes, never an error.</remarks>
public abstract class GuestMemory : IDisposable
{
    /// <summary>The page size, in bytes, in which guest memory is traced and sent.</summary>
    public const int PageSizeBytes = 4096;

    /// <summary>The contents of a page of zeros.</summary>
    internal static readonly byte[] ZeroPage = new byte[PageSizeBytes];

    /// <summary>log2 of <see cref="PageSizeBytes"/>.</summary>
    public const int PageShift = 12;

    /// <param name="sizeBytes">Size of the RAM block; a multiple of <see cref="PageSizeBytes"/>.</param>
    protected GuestMemory(long sizeBytes)
    {
        if (sizeBytes <= 0 || sizeBytes % PageSizeBytes != 0)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"Guest memory of {sizeBytes} bytes is not a positive multiple of {PageSizeBytes}.");
        }

        SizeBytes = sizeBytes;
    }

    /// <summary>Size of the RAM block in bytes.</summary>
    public long SizeBytes { get; }

    /// <summary>The pages that are known to be poisoned; <see cref="TryRead"/> reads none of them.</summary>
    public PoisonedPages Poisoned { get; } = new();

    /// <summary>Number of pages of <see cref="PageSizeBytes"/>.</summary>
    public long PageCount => SizeBytes >> PageShift;

    /// <summary>
    /// Reads from <paramref name="offset"/> and never faults. A count shorter than the destination means that the page holding
    /// <c>offset + count</c> cannot be read (an uncorrectable memory error or a poison marker); the caller skips that page and goes on. It
    /// is in <see cref="Poisoned"/> then, also where this read was the first to fail.
    /// </summary>
    /// <returns>Bytes read, from 0 to the destination's length.</returns>
    public abstract int TryRead(long offset, Span<byte> destination);

    /// <summary>Writes at <paramref name="offset"/>, outside any write trace.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.OutOfSpace"/> where the backing store is full.</exception>
    public abstract void Write(long offset, ReadOnlySpan<byte> source);

    /// <summary>
    /// The same bytes as a window that only a system call may write (recv, for one): a full backing store then shows as EFAULT,
    /// where a plain store would end the process with SIGBUS.
    /// </summary>
    public abstract Span<byte> ReceiveWindow(long offset, int lengthBytes);

    /// <summary>
    /// Finds the next extent at or after <paramref name="offset"/> that may hold anything but zeros, both ends page-aligned.
    /// What lies between extents was never written and reads as zeros (SEEK_DATA/SEEK_HOLE of lseek(2)).
    /// </summary>
    /// <returns>False where only holes follow.</returns>
    public abstract bool TryFindData(long offset, out long start, out long end);

    /// <summary>
    /// Keeps the kernel from gathering the surroundings of a page on a large page of its own accord: it would forget what other processes'
    /// page tables hold there, a mark of poison too. Where it never gathers pages nothing is done.
    /// </summary>
    public virtual void KeepSmall(long page)
    {
    }

    /// <summary>Checks that a range lies inside the RAM block.</summary>
    protected void CheckRange(long offset, long lengthBytes) => CheckRange(offset, lengthBytes, SizeBytes);

    /// <summary>Checks that a range lies inside a RAM block of this size.</summary>
    internal static void CheckRange(long offset, long lengthBytes, long sizeBytes)
    {
        if (offset >= 0 && lengthBytes >= 0 && offset <= sizeBytes - lengthBytes) return;
        throw new MigrationException(
            MigrationErrorReason.InvalidArgument,
            $"The range 0x{offset:x}+0x{lengthBytes:x} is outside guest memory of 0x{sizeBytes:x} bytes.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Unmaps the memory. The backing file, if any, belongs to the VM and stays.</summary>
    protected abstract void Dispose(bool disposing);
}
