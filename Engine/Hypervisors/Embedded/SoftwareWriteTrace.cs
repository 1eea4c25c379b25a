using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// The write trace of the embedded hypervisor: a table of one byte per granule that the vCPUs set after every store, see
/// <see cref="TracedWrites"/>. A byte, not a bit: setting a bit would need a locked instruction per guest store.
/// </summary>
internal sealed unsafe class SoftwareWriteTrace : WriteTrace
{
    private const int MarksPerWord = sizeof(ulong);

    private readonly TraceSlot slot;
    private readonly long pageCount;
    private readonly TimeSpan faultCost;
    private readonly TraceFaults faults;

    // Pinned and garbage-collected, so that a vCPU in the midst of a batch can go on marking after disposal.
    private readonly byte[] marks;
    private long installs = 1;
    private long installTicks;
    private long delayTicks;

    /// <param name="memoryBytes">Size of RAM.</param>
    /// <param name="granularityBytes">A power of two, at least one page.</param>
    /// <param name="slot">Where the vCPUs find the trace; disposal takes it out there.</param>
    /// <param name="vcpuCount">Number of vCPUs.</param>
    /// <param name="faultCost">What every fault costs the guest at least.</param>
    public SoftwareWriteTrace(long memoryBytes, int granularityBytes, TraceSlot slot, int vcpuCount, TimeSpan faultCost)
    {
        if (granularityBytes < GuestMemory.PageSizeBytes || !BitOperations.IsPow2(granularityBytes))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument,
                $"A write trace of {granularityBytes} bytes is not possible.", "Give a power of two of at least 4096.");
        }

        this.slot = slot;
        this.faultCost = faultCost;
        faults = new TraceFaults(vcpuCount);
        GranularityBytes = granularityBytes;
        GranularityShift = BitOperations.Log2((uint)granularityBytes);
        pageCount = memoryBytes >> GuestMemory.PageShift;
        long granules = ((memoryBytes - 1) >> GranularityShift) + 1;
        marks = GC.AllocateArray<byte>(checked((int)((granules + MarksPerWord - 1) / MarksPerWord * MarksPerWord)), pinned: true);
    }

    /// <inheritdoc/>
    public override WriteTraceMechanism Mechanism => WriteTraceMechanism.Software;

    /// <inheritdoc/>
    public override int GranularityBytes { get; }

    /// <summary>log2 of <see cref="GranularityBytes"/>.</summary>
    public int GranularityShift { get; }

    /// <inheritdoc/>
    public override WriteTraceStatistics Statistics => new()
    {
        Installs = Interlocked.Read(ref installs),
        InstallTime = Stopwatch.GetElapsedTime(0, Interlocked.Read(ref installTicks)),
        Faults = faults.Count,
        GuestStallTime = faults.StallTime,
        MaxFaultDelay = faults.MaxDelay,
    };

    /// <inheritdoc/>
    public override bool CanDelayFaults => true;

    /// <inheritdoc/>
    public override TimeSpan FaultDelay
    {
        get => TimeSpan.FromTicks(Interlocked.Read(ref delayTicks));
        set
        {
            if (value < TimeSpan.Zero || value > MaxFaultDelay)
            {
                throw new MigrationException(
                    MigrationErrorReason.InvalidArgument, $"First writes cannot be held back by {value.TotalMilliseconds} ms.",
                    $"Give 0 to {MaxFaultDelay.TotalMilliseconds} ms.");
            }

            Interlocked.Exchange(ref delayTicks, value.Ticks);
        }
    }

    /// <summary>Where the vCPUs mark; valid while the caller holds a reference to the trace.</summary>
    internal TracedWrites Writes => new((byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(marks)), GranularityShift);

    /// <inheritdoc/>
    /// <remarks>
    /// Each mark is cleared by an atomic exchange with a full fence, eight at a time, and only where the scan saw one. A store of the guest
    /// whose mark the exchange took is visible to reads of the page afterwards; one whose mark comes later stays for the next call.
    /// </remarks>
    public override void CollectAndRearm(PageSet written)
    {
        if (written.PageCount != pageCount)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"A set of {written.PageCount} pages was given for a memory of {pageCount}.");
        }

        long started = Stopwatch.GetTimestamp();
        var run = new GranuleRun(written, GranularityShift - GuestMemory.PageShift);
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(marks.AsSpan());
        for (int i = 0; i < words.Length; i++)
        {
            // The search for the next word with a mark is vectorised; most of a large memory was not written since the last call.
            int skip = words[i..].IndexOfAnyExcept(0UL);
            if (skip < 0) break;
            i += skip;
            run.Add((long)i * MarksPerWord, Interlocked.Exchange(ref words[i], 0));
        }

        run.Flush();
        AddInstall(started);
    }

    /// <summary>How long a fault is to be held back yet: nothing once the trace was lifted.</summary>
    /// <param name="started">When it began, as a stopwatch's timestamp.</param>
    /// <param name="delay">The longest delay that held it back so far.</param>
    public TimeSpan HoldLeft(long started, ref TimeSpan delay)
    {
        if (slot.Armed != this) return TimeSpan.Zero;
        TimeSpan now = FaultDelay;
        if (now > delay) delay = now;
        return faultCost + now - Stopwatch.GetElapsedTime(started);
    }

    /// <summary>Counts a fault of a vCPU, see <see cref="TraceFaults.Add"/>.</summary>
    public void CountFault(int vcpu, long stallTicks, TimeSpan delay) => faults.Add(vcpu, stallTicks, delay);

    /// <summary>Adds the time since <paramref name="started"/> (a stopwatch's timestamp) to the time the first arming took.</summary>
    public void ArmedSince(long started) => Interlocked.Add(ref installTicks, Stopwatch.GetTimestamp() - started);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => slot.Lift(this);

    private void AddInstall(long started)
    {
        Interlocked.Increment(ref installs);
        Interlocked.Add(ref installTicks, Stopwatch.GetTimestamp() - started);
    }

    /// <summary>Joins neighbouring granules to runs, so that the page set is filled by ranges.</summary>
    private ref struct GranuleRun(PageSet written, int pagesPerGranuleShift)
    {
        private long start;
        private long end;

        /// <param name="granule">Number of the first of eight granules.</param>
        /// <param name="word">Their marks, the first in the first byte in memory.</param>
        public void Add(long granule, ulong word)
        {
            if (!BitConverter.IsLittleEndian) word = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(word);
            while (word != 0)
            {
                int first = BitOperations.TrailingZeroCount(word) >> 3;
                int count = BitOperations.TrailingZeroCount(~(word >> (first * 8)) & 0x0101010101010101) >> 3;
                if (granule + first != end)
                {
                    Flush();
                    start = granule + first;
                }

                end = granule + first + count;
                word = first + count >= MarksPerWord ? 0 : word >> ((first + count) * 8) << ((first + count) * 8);
            }
        }

        public readonly void Flush()
        {
            if (start == end) return;
            long firstPage = start << pagesPerGranuleShift;
            long lastPage = Math.Min(end << pagesPerGranuleShift, written.PageCount);
            written.AddRange(firstPage, lastPage - firstPage);
        }
    }
}
