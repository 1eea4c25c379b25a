using System.Globalization;
using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// Makes single pages of another process fail when it touches them: by the mark that UFFDIO_POISON leaves in the page tables, or, where the
/// kernel has none, by taking all access to the page away (mprotect(2), PROT_NONE). The data stays in the RAM file, out of the process's
/// reach.
/// </summary>
/// <remarks>
/// <para>
/// A mark goes only into an empty entry, so a mapped page is unmapped first (MADV_DONTNEED, injected into the process). Who touches it
/// between the two maps it again, and the page is unmapped once more. One stop of the process serves all pages.
/// </para>
/// <para>
/// Any userfaultfd of the process can set the mark once some userfaultfd holds the memory: under an armed write trace that is the
/// trace's, and else the page is registered for the moment. The mark outlives both.
/// </para>
/// <para>
/// It does not outlive a large page that the kernel makes out of the small ones around it (khugepaged, MADV_COLLAPSE): the table that holds
/// the mark is thrown away then, whichever process's mapping the large page was made for. So the process is kept from it there, and who
/// maps the file besides must be too, see <see cref="GuestMemory.KeepSmall"/>.
/// </para>
/// </remarks>
/// <param name="target">The process; see <see cref="Ptrace.WhileStopped"/>.</param>
/// <param name="address">Address of the RAM block in that process.</param>
/// <param name="sizeBytes">Its size in bytes.</param>
/// <param name="byMark">Whether to mark; false takes access away.</param>
public sealed class PoisonMarker(PidFd target, ulong address, long sizeBytes, bool byMark)
{
    private const int CallMprotect = 10;
    private const int CallMadvise = 28;
    private const ulong AdviseDontNeedLocked = 24;
    private const ulong AdviseNoHugePage = 15;
    private const ulong ProtectionNone = 0;
    private const int MaxAttempts = 1000;
    private const long LargePageBytes = 2 << 20;
    private const int PagesPerLargePage = (int)(LargePageBytes / GuestMemory.PageSizeBytes);

    /// <summary>Makes the pages fail; one that does already is left alone.</summary>
    /// <param name="pages">Numbers of pages of 4096 bytes, counted from the start of the RAM block.</param>
    /// <exception cref="MigrationException">
    /// As <see cref="Ptrace.WhileStopped"/>; <see cref="MigrationErrorReason.HypervisorFailed"/> where the process touches a page faster
    /// than it can be marked.
    /// </exception>
    public void Mark(IEnumerable<long> pages)
    {
        long[] wanted = [.. pages];
        if (wanted.Length == 0) return;
        Ptrace.WhileStopped(target, stopped =>
        {
            if (byMark) MarkAll(stopped, wanted);
            else foreach (long page in wanted) TakeAccess(stopped, AddressOf(page));
            return true;
        });
    }

    /// <summary>
    /// Keeps the kernel from making large pages around pages that were marked otherwise; <see cref="Mark"/> does so by itself. Errors are
    /// its too.
    /// </summary>
    public void KeepSmall(IReadOnlyCollection<long> pages)
    {
        if (pages.Count == 0) return;
        Ptrace.WhileStopped(target, stopped =>
        {
            foreach (long page in pages) KeepSmall(stopped, page);
            return true;
        });
    }

    /// <summary>
    /// What a large page around a page would take: its first byte in the RAM file, and its length in bytes, which ends with the RAM.
    /// </summary>
    internal static (long Start, long LengthBytes) SurroundingsOf(long page, long sizeBytes)
    {
        long start = (page << GuestMemory.PageShift) & ~(LargePageBytes - 1);
        return (start, Math.Min(LargePageBytes, sizeBytes - start));
    }

    private void MarkAll(Ptrace stopped, long[] pages)
    {
        using var userfaultfd = Userfaultfd.CreateInside(
            stopped, target, UserfaultfdFeatures.Poison | UserfaultfdFeatures.WriteProtectShmem);
        using var pagemap = new Pagemap(target.ProcessId);
        Span<PagemapEntry> before = stackalloc PagemapEntry[PagesPerLargePage];
        foreach (long page in pages)
        {
            KeepSmall(stopped, page);
            ulong pageAddress = AddressOf(page);
            ulong large = pageAddress & ~(ulong)(LargePageBytes - 1);
            pagemap.Read(large, before);
            if (pagemap.Read(pageAddress).IsPoisonMarker) continue;
            MarkOne(stopped, userfaultfd, pagemap, pageAddress);

            // Unmapping one page of a large one unmaps all of it, and with it what a write trace knew: mapped again without its
            // protection, a page counts as written, which is safe.
            MapAgain(pagemap, large, before);
        }
    }

    private void KeepSmall(Ptrace stopped, long page)
    {
        (long start, long lengthBytes) = SurroundingsOf(page, sizeBytes);
        ulong from = address + (ulong)start;
        long outcome = stopped.Call(CallMadvise, from, (ulong)lengthBytes, AdviseNoHugePage);

        // EINVAL: a kernel built without transparent large pages makes none.
        if (outcome != -Errno.EINVAL) Require(outcome, "madvise", from);
    }

    private void MarkOne(Ptrace stopped, Userfaultfd userfaultfd, Pagemap pagemap, ulong pageAddress)
    {
        for (int attempt = 0; attempt < MaxAttempts; attempt++)
        {
            // Registered for write protection and never protected, a page lets nobody wait.
            bool registered = userfaultfd.TryRegister(pageAddress, GuestMemory.PageSizeBytes, UserfaultfdModes.WriteProtect);
            try
            {
                // A protected page that is unmapped leaves a marker of its own, where the mark would have to go.
                userfaultfd.WriteProtect(pageAddress, GuestMemory.PageSizeBytes, protect: false);
                Require(stopped.Call(CallMadvise, pageAddress, GuestMemory.PageSizeBytes, AdviseDontNeedLocked), "madvise", pageAddress);
                userfaultfd.Poison(pageAddress, GuestMemory.PageSizeBytes, out _);
            }
            catch (SystemCallException error) when (!registered && error.ErrorNumber == Errno.ENOENT)
            {
                // The trace that held the memory was lifted this moment: register it.
                continue;
            }
            finally
            {
                if (registered) userfaultfd.Unregister(pageAddress, GuestMemory.PageSizeBytes);
            }

            if (pagemap.Read(pageAddress).IsPoisonMarker) return;
        }

        throw new MigrationException(
            MigrationErrorReason.HypervisorFailed,
            $"The page at 0x{pageAddress:x} of process {target.ProcessId} was touched again each of {MaxAttempts} times before it could be"
                + " marked.",
            "Pause the VM first.");
    }

    private void TakeAccess(Ptrace stopped, ulong pageAddress) =>
        Require(stopped.Call(CallMprotect, pageAddress, GuestMemory.PageSizeBytes, ProtectionNone), "mprotect", pageAddress);

    /// <summary>
    /// Maps what is mapped no more. Reading a byte of a page through /proc/PID/mem maps it; what has gone meanwhile or is poisoned fails
    /// (EIO).
    /// </summary>
    private void MapAgain(Pagemap pagemap, ulong large, ReadOnlySpan<PagemapEntry> before)
    {
        Span<PagemapEntry> now = stackalloc PagemapEntry[PagesPerLargePage];
        pagemap.Read(large, now);
        SafeFileHandle? memory = null;
        try
        {
            Span<byte> first = stackalloc byte[1];
            for (int i = 0; i < PagesPerLargePage; i++)
            {
                if (!before[i].IsPresent || !now[i].IsEmpty) continue;
                string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{target.ProcessId}/mem");
                memory ??= OpenFile.ForReading(path);
                long offset = (long)large + ((long)i << GuestMemory.PageShift);
                int count = PositionalIo.Read(memory, offset, first);
                if (count >= 0 || -count is Errno.EIO or Errno.EHWPOISON) continue;
                throw Errno.Failure(-count, "pread", $"{path}, 0x{offset:x}");
            }
        }
        finally
        {
            memory?.Dispose();
        }
    }

    private void Require(long outcome, string call, ulong pageAddress)
    {
        if (outcome < 0) throw Errno.Failure((int)-outcome, call, $"0x{pageAddress:x}, injected into process {target.ProcessId}");
    }

    private ulong AddressOf(long page) => address + ((ulong)page << GuestMemory.PageShift);
}
