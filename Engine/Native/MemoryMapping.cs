using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// A block of memory outside the managed heap: anonymous and 2 MiB-aligned, or a shared file (mmap(2)). The owner sees to it that
/// nobody uses a pointer or span into it after disposal.
/// </summary>
public sealed partial class MemoryMapping : SafeHandleZeroOrMinusOneIsInvalid
{
    /// <summary>Alignment in bytes of anonymous blocks: what x86-64 and arm64 with 4K pages can map as one large page.</summary>
    public const int AlignmentBytes = 2 << 20;

    private const int ProtectionNone = 0;
    private const int ProtectionRead = 1;
    private const int ProtectionWrite = 2;
    private const int MapShared = 1;
    private const int MapPrivate = 2;
    private const int MapAnonymous = 0x20;
    private const int AdviseHugePage = 14;
    private const int AdviseNoHugePage = 15;
    private const nint MapFailed = -1;

    private readonly bool mapped;
    private readonly long guardBytes;

    private MemoryMapping(nint address, long sizeBytes, bool mapped, long guardBytes = 0)
        : base(ownsHandle: true)
    {
        SizeBytes = sizeBytes;
        this.mapped = mapped;
        this.guardBytes = guardBytes;
        SetHandle(address);
    }

    /// <summary>Size of the block in bytes.</summary>
    public long SizeBytes { get; }

    /// <summary>Address of the first byte.</summary>
    public nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    /// <summary>Pointer to the first byte.</summary>
    public unsafe byte* Pointer => (byte*)Address;

    /// <summary>
    /// Allocates zeroed private memory, aligned to <see cref="AlignmentBytes"/>. On Linux it is mapped and large pages are asked for or
    /// declined (MADV_HUGEPAGE, MADV_NOHUGEPAGE of madvise(2)); elsewhere it comes from the C allocator.
    /// </summary>
    /// <param name="sizeBytes">Size in bytes, above 0.</param>
    /// <param name="largePages">Whether large pages are wanted where the kernel has whole ones free.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.OutOfSpace"/> where the memory is not to be had.</exception>
    public static MemoryMapping AllocateAnonymous(long sizeBytes, bool largePages = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sizeBytes);
        return OperatingSystem.IsLinux() ? MapAligned(sizeBytes, largePages) : AllocateAligned(sizeBytes);
    }

    /// <summary>Maps a file shared and writable, from its start.</summary>
    /// <param name="file">A file open for reading and writing; it may be closed afterwards.</param>
    /// <param name="sizeBytes">Bytes to map; what lies beyond the file's end must not be touched.</param>
    public static MemoryMapping MapSharedFile(SafeFileHandle file, long sizeBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sizeBytes);
        nint address = Map(0, (nuint)sizeBytes, ProtectionRead | ProtectionWrite, MapShared, file, 0);
        if (address == MapFailed) throw Errno.LastFailure("mmap", $"0x{sizeBytes:x} bytes of a file, MAP_SHARED");
        return new(address, sizeBytes, mapped: true);
    }

    /// <summary>The bytes from <paramref name="offset"/> on.</summary>
    public unsafe Span<byte> Slice(long offset, int lengthBytes)
    {
        if (offset < 0 || lengthBytes < 0 || offset > SizeBytes - lengthBytes)
        {
            throw new ArgumentOutOfRangeException(
                nameof(offset), $"0x{offset:x}+0x{lengthBytes:x} is outside a mapping of 0x{SizeBytes:x} bytes.");
        }

        // SAFETY: the range was checked against the block, which lives until disposal.
        return new Span<byte>(Pointer + offset, lengthBytes);
    }

    /// <summary>
    /// Keeps the kernel from putting a range on large pages by itself (MADV_NOHUGEPAGE); what is on large pages stays so.
    /// </summary>
    /// <param name="offset">First byte, page-aligned.</param>
    /// <param name="lengthBytes">Length in bytes, page-aligned.</param>
    public void DeclineLargePages(long offset, long lengthBytes)
    {
        // EINVAL: a kernel built without transparent large pages makes none.
        if (Advise(Address + (nint)offset, (nuint)lengthBytes, AdviseNoHugePage) == 0
            || Marshal.GetLastPInvokeError() == Errno.EINVAL)
        {
            return;
        }

        throw Errno.LastFailure("madvise", $"0x{offset:x}+0x{lengthBytes:x} of a mapping, MADV_NOHUGEPAGE");
    }

    /// <inheritdoc/>
    protected override unsafe bool ReleaseHandle()
    {
        if (mapped) return Unmap(handle, (nuint)(SizeBytes + guardBytes)) == 0;
        NativeMemory.AlignedFree((void*)handle);
        return true;
    }

    private static MemoryMapping MapAligned(long sizeBytes, bool largePages)
    {
        // mmap aligns to 4K only: map more, then give back both ends, but for a page behind the block that nobody may touch. Without it the
        // kernel joins neighbouring blocks, and /proc counts them as one.
        int pageBytes = Environment.SystemPageSize;
        nuint reservedBytes = (nuint)sizeBytes + AlignmentBytes + (nuint)pageBytes;
        nint reserved = MapMemory(0, reservedBytes, ProtectionRead | ProtectionWrite, MapPrivate | MapAnonymous, -1, 0);
        if (reserved == MapFailed) throw Errno.LastFailure("mmap", $"0x{sizeBytes:x} bytes, MAP_PRIVATE|MAP_ANONYMOUS");

        nint start = (reserved + AlignmentBytes - 1) & ~(nint)(AlignmentBytes - 1);
        nint end = (nint)((start + (nint)sizeBytes + pageBytes - 1) & ~((nint)pageBytes - 1));
        Trim(reserved, start);
        Trim(end + pageBytes, reserved + (nint)reservedBytes);

        var mapping = new MemoryMapping(start, end - start, mapped: true, guardBytes: pageBytes);
        try
        {
            if (Protect(end, (nuint)pageBytes, ProtectionNone) != 0) throw Errno.LastFailure("mprotect", $"0x{end:x}, PROT_NONE");
            // EINVAL: a kernel built without transparent large pages; the memory serves as well in small ones.
            int advice = largePages ? AdviseHugePage : AdviseNoHugePage;
            if (Advise(start, (nuint)(end - start), advice) != 0 && Marshal.GetLastPInvokeError() != Errno.EINVAL)
            {
                throw Errno.LastFailure("madvise", $"0x{start:x}, 0x{sizeBytes:x}, {(largePages ? "MADV_HUGEPAGE" : "MADV_NOHUGEPAGE")}");
            }

            return mapping;
        }
        catch
        {
            mapping.Dispose();
            throw;
        }
    }

    private static void Trim(nint start, nint end)
    {
        if (start < end && Unmap(start, (nuint)(end - start)) != 0) throw Errno.LastFailure("munmap", $"0x{start:x}, 0x{end - start:x}");
    }

    private static unsafe MemoryMapping AllocateAligned(long sizeBytes)
    {
        try
        {
            void* address = NativeMemory.AlignedAlloc((nuint)sizeBytes, AlignmentBytes);
            // SAFETY: the block was just allocated with this size.
            NativeMemory.Clear(address, (nuint)sizeBytes);
            return new((nint)address, sizeBytes, mapped: false);
        }
        catch (OutOfMemoryException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.OutOfSpace, $"{sizeBytes} bytes of memory for a guest are not to be had.",
                "Make the VM smaller or free memory.", exception);
        }
    }

    [LibraryImport("libc", EntryPoint = "mmap64", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, SafeFileHandle file, long offset);

    [LibraryImport("libc", EntryPoint = "mmap64", SetLastError = true)]
    private static partial nint MapMemory(nint address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Protect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int Advise(nint address, nuint length, int advice);
}
