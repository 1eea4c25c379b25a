using System.Diagnostics;
using System.Runtime.ExceptionServices;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// Protects regions of a process's memory and lifts the protection of a whole region at its first write, on a thread of its own. The
/// writing thread waits meanwhile.
/// </summary>
/// <remarks>
/// <para>
/// Marking a region and lifting it is one step, taking its mark and protecting it again another, and both hold the same lock: a lift
/// between the taken mark and the protection would be forgotten. A write between those two needs no fault: the region is being reported,
/// and its contents are read only afterwards.
/// </para>
/// <para>
/// Protecting takes some 10 ms a GiB, so the lock is held for a part of the memory at a time, and a first write that comes meanwhile goes
/// before the next part.
/// </para>
/// <para>A fault is held back without the lock, in a queue by arrival. When the thread ends, for whatever reason, nothing stays
/// protected.</para>
/// </remarks>
internal sealed class FirstWriteHandler : IDisposable
{
    // Protected in well under a millisecond.
    private const int PartBytes = 64 << 20;

    private readonly Userfaultfd userfaultfd;
    private readonly PidFd target;
    private readonly ulong address;
    private readonly long sizeBytes;
    private readonly Lock gate = new();
    private readonly PageSet armed;
    private readonly PageSet marked;
    private readonly Queue<(ulong Address, long ArrivedAt)> held = new();
    private readonly PageFaultReader reader;
    private readonly Thread thread;
    private ExceptionDispatchInfo? failure;
    private long faultDelayTicks;
    private long faults;
    private long stallTimestamps;
    private long typicalTimestamps = Stopwatch.Frequency / 50_000;
    private long maxDelayTicks;
    private volatile bool lifting;
    private bool ended;
    private bool disposed;

    /// <param name="userfaultfd">Made inside the process, handling kernel-mode faults; taken over once constructed.</param>
    /// <param name="target">The process; it stays the caller's.</param>
    /// <param name="address">Address of the memory in that process.</param>
    /// <param name="sizeBytes">Its size in bytes; the last region is shorter where it is no multiple of a region's size.</param>
    /// <param name="regionBytes">Size of a region in bytes, a power of two.</param>
    public FirstWriteHandler(Userfaultfd userfaultfd, PidFd target, ulong address, long sizeBytes, int regionBytes)
    {
        this.userfaultfd = userfaultfd;
        this.target = target;
        this.address = address;
        this.sizeBytes = sizeBytes;
        RegionBytes = regionBytes;
        RegionCount = (sizeBytes + regionBytes - 1) / regionBytes;
        armed = new PageSet(RegionCount);
        marked = new PageSet(RegionCount);
        reader = new PageFaultReader(userfaultfd, target);
        thread = new Thread(Run) { IsBackground = true, Name = $"first writes {target.ProcessId}", Priority = ThreadPriority.Highest };
        thread.Start();
    }

    /// <summary>Size of a region in bytes.</summary>
    public int RegionBytes { get; }

    /// <summary>Number of regions.</summary>
    public long RegionCount { get; }

    /// <summary>First writes so far.</summary>
    public long Faults => Interlocked.Read(ref faults);

    /// <summary>Time from reading a fault to lifting the region, in all, delays included.</summary>
    public TimeSpan StallTime => Stopwatch.GetElapsedTime(0, Interlocked.Read(ref stallTimestamps));

    /// <summary>
    /// What a fault takes without delay: a running median, which one that was interrupted for milliseconds does not move; 20 µs at first.
    /// </summary>
    public TimeSpan TypicalStall => Stopwatch.GetElapsedTime(0, Interlocked.Read(ref typicalTimestamps));

    /// <summary>The longest delay that was set while a fault came.</summary>
    public TimeSpan MaxFaultDelay => new(Interlocked.Read(ref maxDelayTicks));

    /// <summary>How long a fault is held back; a change counts for those being held, too.</summary>
    public TimeSpan FaultDelay
    {
        get => new(Interlocked.Read(ref faultDelayTicks));
        set
        {
            if (value < TimeSpan.Zero || value > WriteTrace.MaxFaultDelay)
            {
                throw new MigrationException(
                    MigrationErrorReason.InvalidArgument,
                    $"A first write is held back by 0 to {WriteTrace.MaxFaultDelay.TotalMilliseconds} ms,"
                    + $" not {value.TotalMilliseconds} ms.");
            }

            ObjectDisposedException.ThrowIf(disposed, this);
            Interlocked.Exchange(ref faultDelayTicks, value.Ticks);
            reader.Interrupt();
        }
    }

    /// <summary>Bytes of a run of regions, cut at the end of the memory.</summary>
    public (ulong Address, ulong LengthBytes) BytesOf(long first, long count)
    {
        long start = first * RegionBytes;
        return (address + (ulong)start, (ulong)(Math.Min(start + (count * RegionBytes), sizeBytes) - start));
    }

    /// <summary>
    /// Registers and protects a run of regions that is under no control; <see cref="ThrowIfFailed"/> tells whether that was in vain.
    /// </summary>
    public void Add(long first, long count)
    {
        (ulong start, ulong length) = BytesOf(first, count);
        lock (gate)
        {
            if (!ended) userfaultfd.Register(start, length, UserfaultfdModes.WriteProtect);
        }

        ForEachPart(first, count, (part, regions) =>
        {
            armed.AddRange(part, regions);
            Protect(part, regions, protect: true);
        });
    }

    /// <summary>Gives a run of regions up, marks included; who waits for one of them goes on.</summary>
    public void Remove(long first, long count)
    {
        (ulong start, ulong length) = BytesOf(first, count);
        lock (gate)
        {
            armed.RemoveRange(first, count);
            marked.RemoveRange(first, count);
            userfaultfd.Unregister(start, length);
            // The kernel wakes nobody here by itself, except who waits for a missing page (userfaultfd_unregister of fs/userfaultfd.c).
            userfaultfd.Wake(start, length);
        }
    }

    /// <summary>Adds the regions written since they were armed; they stay marked and unprotected until armed again or removed.</summary>
    public void CopyMarks(PageSet regions)
    {
        ThrowIfFailed();
        lock (gate)
        {
            for (long from = 0; marked.TryFindRun(from, RegionCount, out long first, out long count); from = first + count)
            {
                regions.AddRange(first, count);
            }
        }
    }

    /// <summary>Takes the marks of a run of regions and protects it again.</summary>
    public void Rearm(long first, long count) => ForEachPart(first, count, (part, regions) =>
    {
        marked.RemoveRange(part, regions);
        Protect(part, regions, protect: true);
    });

    /// <summary>Throws what the thread failed with, or that the process has ended.</summary>
    public void ThrowIfFailed()
    {
        failure?.Throw();
        if (!target.HasExited) return;
        throw new MigrationException(
            MigrationErrorReason.VmExited, $"Process {target.ProcessId} ended; what it wrote last is not known.");
    }

    /// <summary>Ends the thread and lifts everything.</summary>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        reader.Stop();
        thread.Join();
        reader.Dispose();
        userfaultfd.Dispose();
    }

    private void Run()
    {
        try
        {
            TimeSpan limit = Timeout.InfiniteTimeSpan;
            while (reader.Wait(limit, out ReadOnlySpan<PageFault> found))
            {
                long now = Stopwatch.GetTimestamp();
                foreach (ref readonly PageFault fault in found) held.Enqueue((fault.Address, now));
                limit = ReleaseDue();
            }
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.VmExited)
        {
            // Whoever collects next is told.
        }
        catch (Exception exception)
        {
            failure = ExceptionDispatchInfo.Capture(exception);
        }

        try
        {
            LiftAll();
        }
        catch (MigrationException exception)
        {
            // The end of the descriptor lifts the rest.
            failure ??= ExceptionDispatchInfo.Capture(exception);
        }
    }

    /// <summary>Releases what was held long enough; returns how long the next one has to wait.</summary>
    private TimeSpan ReleaseDue()
    {
        TimeSpan delay = FaultDelay;
        while (held.TryPeek(out (ulong Address, long ArrivedAt) fault))
        {
            TimeSpan left = delay - Stopwatch.GetElapsedTime(fault.ArrivedAt);
            if (delay > TimeSpan.Zero && left > TimeSpan.Zero) return left;
            held.Dequeue();

            // Counted before whoever waits goes on and may look; only what the lift itself takes comes after.
            long heldUntil = Stopwatch.GetTimestamp();
            Interlocked.Increment(ref faults);
            Interlocked.Add(ref stallTimestamps, heldUntil - fault.ArrivedAt);
            Lift(fault.Address);
            long now = Stopwatch.GetTimestamp();
            Interlocked.Add(ref stallTimestamps, now - heldUntil);
            if (delay == TimeSpan.Zero) CountTypical(now - fault.ArrivedAt);
            else Interlocked.Exchange(ref maxDelayTicks, Math.Max(maxDelayTicks, delay.Ticks));
        }

        return Timeout.InfiniteTimeSpan;
    }

    private void CountTypical(long timestamps)
    {
        long step = (typicalTimestamps / 16) + 1;
        Interlocked.Add(ref typicalTimestamps, timestamps > typicalTimestamps ? step : -step);
    }

    private void Lift(ulong faultAddress)
    {
        long region = (long)(faultAddress - address) / RegionBytes;
        lifting = true;
        lock (gate)
        {
            lifting = false;
            if (armed.Contains(region) && !marked.Contains(region))
            {
                marked.Add(region);
                Protect(region, 1, protect: false);
                return;
            }
        }

        // Lifted or given up after this thread had begun to fault: the kernel may have put it to sleep behind that.
        userfaultfd.Wake(faultAddress, GuestMemory.PageSizeBytes);
    }

    /// <summary>
    /// Does something to a run of regions, part by part, each under the lock; nothing once the thread has ended, for nobody would lift what
    /// is protected then.
    /// </summary>
    private void ForEachPart(long first, long count, Action<long, long> action)
    {
        long regionsPerPart = Math.Max(1, PartBytes / RegionBytes);
        for (long end = first + count; first < end; first += regionsPerPart)
        {
            // The lock is not fair: who lets go of it and takes it again at once would have it before the thread that waits for it.
            var spin = new SpinWait();
            while (lifting) spin.SpinOnce(sleep1Threshold: -1);
            lock (gate)
            {
                if (ended) return;
                action(first, Math.Min(regionsPerPart, end - first));
            }
        }
    }

    /// <summary>Protects a run of regions or lifts that; under the lock.</summary>
    private void Protect(long first, long count, bool protect)
    {
        (ulong start, ulong length) = BytesOf(first, count);
        var spin = new SpinWait();
        while (userfaultfd.WriteProtect(start, length, protect) == UserfaultfdOutcome.Again) spin.SpinOnce();
    }

    private void LiftAll()
    {
        lock (gate)
        {
            ended = true;
            for (long from = 0; armed.TryFindRun(from, RegionCount, out long first, out long count); from = first + count)
            {
                (ulong start, ulong length) = BytesOf(first, count);
                userfaultfd.Unregister(start, length);
            }

            armed.Clear();
            // Also those whose fault was read and held back, or not read yet.
            userfaultfd.Wake(address, (ulong)sizeBytes);
        }
    }
}
