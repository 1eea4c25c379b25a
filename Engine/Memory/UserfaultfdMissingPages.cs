using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// Missing pages of a VM's process: their places in the RAM file are holes, whose touch is a fault that waits for the engine, whether a
/// vCPU touches one or a system call (userfaultfd(2), UFFDIO_REGISTER_MODE_MISSING).
/// </summary>
/// <remarks>
/// The process keeps a copy of the descriptor until the last page is there: where the engine ends before that, whoever touches a missing
/// page waits for ever instead of reading zeros.
/// </remarks>
public sealed class UserfaultfdMissingPages : MissingPages
{
    /// <summary>What the userfaultfd must have been made with, for faults of system calls too, and to stay open inside.</summary>
    public const UserfaultfdFeatures RequiredFeatures = UserfaultfdFeatures.MissingShmem;

    private const int PunchAttempts = 10;

    private readonly Userfaultfd userfaultfd;
    private readonly PidFd target;
    private readonly ulong address;
    private readonly GuestMemory memory;
    private readonly SemaphoreSlim waiting = new(1, 1);
    private readonly MissingPageLedger ledger;
    private readonly PageFaultReader reader;
    private readonly Queue<long> touched = new();

    // Held by whoever places, so that the memory is not given back under a second copy of the last page.
    private readonly ReaderWriterLockSlim placing = new();
    private bool givenBack;
    private bool disposed;

    /// <summary>Takes the pages away.</summary>
    /// <param name="userfaultfd">Made inside the VM's process with <see cref="RequiredFeatures"/>; taken over once constructed.</param>
    /// <param name="target">The VM's process; it stays the caller's.</param>
    /// <param name="address">Address of the RAM block in that process, which starts with the file.</param>
    /// <param name="memory">The RAM block; it stays the caller's.</param>
    /// <param name="ramFile">The RAM file on a tmpfs, open for writing; it stays the caller's.</param>
    /// <param name="missing">The pages; copied.</param>
    /// <exception cref="MigrationException">Where a system call fails, or the kernel does not let go of a page.</exception>
    public UserfaultfdMissingPages(
        Userfaultfd userfaultfd, PidFd target, ulong address, GuestMemory memory, SafeFileHandle ramFile, PageSet missing)
    {
        this.userfaultfd = userfaultfd;
        this.target = target;
        this.address = address;
        this.memory = memory;
        ledger = new(missing);

        // Registered first: from the moment a hole is there its touch must wait.
        foreach ((long first, long count) in MissingRanges.Cover(missing))
        {
            userfaultfd.Register(AddressOf(first), (ulong)count << GuestMemory.PageShift, UserfaultfdModes.Missing);
        }

        try
        {
            PunchHoles(ramFile, missing);
            reader = new(userfaultfd, target);
        }
        catch
        {
            userfaultfd.Unregister(address, (ulong)memory.SizeBytes);
            userfaultfd.CloseInside(target);
            throw;
        }
    }

    /// <inheritdoc/>
    public override long RemainingCount => ledger.Remaining;

    /// <inheritdoc/>
    public override MissingPageStatistics Statistics => ledger.Statistics;

    /// <inheritdoc/>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.VmExited"/> where the process has ended.</exception>
    public override long WaitForTouch(CancellationToken cancellationToken)
    {
        waiting.Wait(cancellationToken);
        try
        {
            using CancellationTokenRegistration interruption = cancellationToken.Register(reader.Interrupt);
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (touched.TryDequeue(out long page)) return page;
                if (ledger.Remaining == 0)
                {
                    Unregister();
                    return -1;
                }

                bool alive = reader.Wait(Timeout.InfiniteTimeSpan, out ReadOnlySpan<PageFault> faults);
                foreach (ref readonly PageFault fault in faults) Note((long)(fault.Address - address) >> GuestMemory.PageShift);
                if (alive || ledger.Remaining == 0) continue;
                throw new MigrationException(MigrationErrorReason.VmExited, $"Process {target.ProcessId} ended.");
            }
        }
        finally
        {
            waiting.Release();
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// What was placed is left alone without asking the kernel; a page that two threads place at once, by the kernel's EEXIST.
    /// </remarks>
    public override void Place(long firstPage, ReadOnlySpan<byte> contents)
    {
        placing.EnterReadLock();
        try
        {
            long end = firstPage + (contents.Length >> GuestMemory.PageShift);
            for (long next = firstPage; ledger.TryFindRun(next, end, out long first, out long count); next = first + count)
            {
                Copy(first, contents.Slice((int)(first - firstPage) << GuestMemory.PageShift, (int)count << GuestMemory.PageShift));
                NotePlaced(first, count);
            }
        }
        finally
        {
            placing.ExitReadLock();
        }
    }

    /// <inheritdoc/>
    public override void PlaceZeros(long firstPage, long count)
    {
        placing.EnterReadLock();
        try
        {
            for (long next = firstPage; ledger.TryFindRun(next, firstPage + count, out long first, out long run); next = first + run)
            {
                FillWithZeros(first, run);
                NotePlaced(first, run);
            }
        }
        finally
        {
            placing.ExitReadLock();
        }
    }

    /// <inheritdoc/>
    public override void PlacePoisoned(long page)
    {
        placing.EnterReadLock();
        try
        {
            if (!ledger.TryFindRun(page, page + 1, out _, out _)) return;
            memory.Poisoned.Add(new(page, PoisonSource.Carried, DateTimeOffset.UtcNow));
            var spin = new SpinWait();
            for (long done = 0; done < GuestMemory.PageSizeBytes;)
            {
                UserfaultfdOutcome outcome = userfaultfd.Poison(AddressOf(page), GuestMemory.PageSizeBytes, out long marked);
                done += marked + Step(outcome, AddressOf(page), marked, ref spin);
            }

            NotePlaced(page, 1);
        }
        finally
        {
            placing.ExitReadLock();
        }
    }

    /// <inheritdoc/>
    public override PageSet CopyRemaining() => ledger.CopyMissing();

    /// <inheritdoc/>
    /// <exception cref="MigrationException">Where the memory cannot be given back to the kernel's ordinary fault handling.</exception>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || disposed) return;
        disposed = true;
        try
        {
            if (ledger.Remaining == 0 && !target.HasExited) GiveBack();
        }
        finally
        {
            reader.Dispose();
            userfaultfd.Dispose();
            waiting.Dispose();
            placing.Dispose();
        }
    }

    /// <summary>
    /// Once the last page is there: the watched ranges also hold pages that never were missing, and nobody answers for the touch of those
    /// any more.
    /// </summary>
    private void Unregister()
    {
        placing.EnterWriteLock();
        try
        {
            if (givenBack) return;
            userfaultfd.Unregister(address, (ulong)memory.SizeBytes);
            givenBack = true;
        }
        finally
        {
            placing.ExitWriteLock();
        }
    }

    private void Copy(long firstPage, ReadOnlySpan<byte> contents)
    {
        var spin = new SpinWait();
        for (int done = 0; done < contents.Length;)
        {
            ulong position = AddressOf(firstPage) + (ulong)done;
            UserfaultfdOutcome outcome = userfaultfd.Copy(position, contents[done..], out long copied);
            done += (int)(copied + Step(outcome, position + (ulong)copied, copied, ref spin));
        }
    }

    private void GiveBack()
    {
        try
        {
            Unregister();
            userfaultfd.CloseInside(target);
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.VmExited)
        {
            // It took its registrations and descriptors with it.
        }
    }

    private ulong AddressOf(long page) => address + ((ulong)page << GuestMemory.PageShift);

    /// <summary>A page between missing ones that never held anything is zeros, and there is nobody to ask for it.</summary>
    private void Note(long page)
    {
        if (ledger.Touch(page)) touched.Enqueue(page);
        else FillWithZeros(page, 1);
    }

    private void NotePlaced(long first, long count)
    {
        if (ledger.Place(first, count)) reader.Stop();
    }

    private void FillWithZeros(long firstPage, long count)
    {
        var spin = new SpinWait();
        long lengthBytes = count << GuestMemory.PageShift;
        for (long done = 0; done < lengthBytes;)
        {
            ulong position = AddressOf(firstPage) + (ulong)done;
            UserfaultfdOutcome outcome = userfaultfd.ZeroPages(position, (ulong)(lengthBytes - done), out long placed);
            done += placed + Step(outcome, position + (ulong)placed, placed, ref spin);
        }
    }

    /// <summary>What to skip after an operation that came to a stop at an address.</summary>
    private long Step(UserfaultfdOutcome outcome, ulong stoppedAt, long doneBytes, ref SpinWait spin)
    {
        switch (outcome)
        {
            case UserfaultfdOutcome.Exists:
                // It came twice, and the guest may have written it since. Who found it missing just before looks again.
                userfaultfd.Wake(stoppedAt, GuestMemory.PageSizeBytes);
                return GuestMemory.PageSizeBytes;
            case UserfaultfdOutcome.Again when doneBytes == 0:
                // The process is changing its address space this moment.
                spin.SpinOnce();
                return 0;
            default:
                return 0;
        }
    }

    /// <summary>
    /// A large page loses a part only if the kernel can split it, which something that looks at it this moment can prevent: the part then
    /// reads as zeros and is still there. Such a place would not wait for its page.
    /// </summary>
    private static void PunchHoles(SafeFileHandle ramFile, PageSet missing)
    {
        using var extents = new RamFileExtents(ramFile, missing.PageCount << GuestMemory.PageShift);
        for (long next = 0; missing.TryFindRun(next, missing.PageCount, out long first, out long count); next = first + count)
        {
            long offset = first << GuestMemory.PageShift;
            long lengthBytes = count << GuestMemory.PageShift;
            HolePunch.Punch(ramFile, offset, lengthBytes);
            for (int attempt = 1; extents.TryFindStart(offset, out long data) && data < offset + lengthBytes; attempt++)
            {
                if (attempt == PunchAttempts)
                {
                    throw new MigrationException(
                        MigrationErrorReason.SystemCallFailed,
                        $"The kernel does not let go of the page at offset 0x{data:x} of the RAM file:"
                        + " it cannot split the large page around it.",
                        "Migrate without post-copy.");
                }

                Thread.Yield();
                HolePunch.Punch(ramFile, offset, lengthBytes);
            }
        }
    }
}
