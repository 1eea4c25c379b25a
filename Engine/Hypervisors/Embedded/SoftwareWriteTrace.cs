using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// The write trace of the embedded hypervisor: a table of one byte per granule that the vCPUs set after every store, see
/// <see cref="TracedWrites"/>. A byte, not a bit: setting a bit would need a locked instruction per guest store. The first write to a
/// granule that is not marked is a fault, as with a write protection.
/// </summary>
/// <remarks>
/// With <see cref="WriteTrace.AutoGranularity"/> a granule is a page, and the fault handler marks all pages of a region that is lifted
/// whole: what it marks beyond the page that was written is reported for nothing, and lost is no write either way.
/// </remarks>
internal sealed unsafe class SoftwareWriteTrace : WriteTrace
{
    private const int MarksPerWord = sizeof(ulong);

    // A region of pages, and never less than the 64 pages that one word of a page set holds.
    private const int WordsPerUnit = TraceRegions.PagesPerRegion / MarksPerWord;

    private readonly TraceSlot slot;
    private readonly long pageCount;
    private readonly int shift;
    private readonly TraceRegions? regions;
    private readonly BearableFaults? bearable;
    private readonly TraceFaults faults;

    // Pinned and garbage-collected, so that a vCPU in the midst of a batch can go on marking after disposal.
    private readonly byte[] marks;
    private long installs = 1;
    private long installTicks;
    private long delayTicks;

    /// <param name="memoryBytes">Size of RAM.</param>
    /// <param name="granularityBytes">
    /// A power of two, at least one page; <see cref="WriteTrace.AutoGranularity"/> refines by itself.
    /// </param>
    /// <param name="slot">Where the vCPUs find the trace; disposal takes it out there.</param>
    /// <param name="vcpuCount">Number of vCPUs.</param>
    public SoftwareWriteTrace(long memoryBytes, int granularityBytes, TraceSlot slot, int vcpuCount)
    {
        if (granularityBytes == AutoGranularity)
        {
            regions = new TraceRegions(memoryBytes / TraceRegions.RegionBytes);
            bearable = new BearableFaults(vcpuCount, Stopwatch.GetElapsedTime(0));
            granularityBytes = GuestMemory.PageSizeBytes;
        }

        if (granularityBytes < GuestMemory.PageSizeBytes || !BitOperations.IsPow2(granularityBytes))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument,
                $"A write trace of {granularityBytes} bytes is not possible.", "Give a power of two of at least 4096.");
        }

        this.slot = slot;
        faults = new TraceFaults(vcpuCount);
        shift = BitOperations.Log2((uint)granularityBytes);
        pageCount = memoryBytes >> GuestMemory.PageShift;
        long granules = ((memoryBytes - 1) >> shift) + 1;
        marks = GC.AllocateArray<byte>(checked((int)((granules + MarksPerWord - 1) / MarksPerWord * MarksPerWord)), pinned: true);
    }

    /// <inheritdoc/>
    public override WriteTraceMechanism Mechanism => WriteTraceMechanism.Software;

    /// <inheritdoc/>
    public override int GranularityBytes => regions is { FineCount: 0 } ? TraceRegions.RegionBytes : 1 << shift;

    /// <inheritdoc/>
    public override bool Overreports => regions is null ? base.Overreports : regions.WholeCount > 0;

    /// <summary>What every fault costs the guest at least.</summary>
    public TimeSpan FaultTime { get; init; }

    /// <summary>The vCPUs that collect and arm; none leaves it to whoever calls.</summary>
    public IReadOnlyList<VcpuErrands> Armers { get; init; } = [];

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
    internal TracedWrites Writes => new((byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(marks)), shift);

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
        regions?.Begin(bearable!.Next(Stopwatch.GetElapsedTime(0, started), faults.Count, faults.Time, FaultDelay > TimeSpan.Zero));
        if (slot.Armed == this && Armers.Count > 0) CollectByVcpus(written);
        else CollectPart(0, 1, written);
        Interlocked.Increment(ref installs);
        ArmedSince(started);
    }

    /// <summary>Collects and arms a part of memory. Parts share no 64 pages, so that several threads may fill one set.</summary>
    /// <param name="part">Number of the part, from 0.</param>
    /// <param name="parts">How many there are.</param>
    /// <param name="written">Gets the pages.</param>
    internal void CollectPart(int part, int parts, PageSet written)
    {
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(marks.AsSpan());
        long units = (words.Length + WordsPerUnit - 1) / WordsPerUnit;
        int end = (int)Math.Min(words.Length, units * (part + 1) / parts * WordsPerUnit);
        var run = new GranuleRun(written, shift - GuestMemory.PageShift);
        int region = -1;
        int regionPages = 0;
        for (int i = (int)(units * part / parts * WordsPerUnit); i < end; i++)
        {
            // The search for the next word with a mark is vectorised; most of a large memory was not written since the last call.
            int skip = words[i..end].IndexOfAnyExcept(0UL);
            if (skip < 0) break;
            i += skip;
            if (i / WordsPerUnit != region)
            {
                if (region >= 0) regions?.Collected(region, regionPages);
                region = i / WordsPerUnit;
                regionPages = 0;
            }

            ulong taken = Interlocked.Exchange(ref words[i], 0);
            regionPages += BitOperations.PopCount(taken);
            run.Add((long)i * MarksPerWord, taken);
        }

        if (region >= 0) regions?.Collected(region, regionPages);
        run.Flush();
    }

    /// <summary>How long a fault is to be held back yet: nothing once the trace was lifted.</summary>
    /// <param name="started">When it began, as a stopwatch's timestamp.</param>
    /// <param name="delay">The longest delay that held it back so far.</param>
    public TimeSpan HoldLeft(long started, ref TimeSpan delay)
    {
        if (slot.Armed != this) return TimeSpan.Zero;
        TimeSpan now = FaultDelay;
        if (now > delay) delay = now;
        return FaultTime + now - Stopwatch.GetElapsedTime(started);
    }

    /// <summary>Lets the step that faulted go on, and what lies around it where its region is lifted whole.</summary>
    public void Lift(long offset)
    {
        long region = offset / TraceRegions.RegionBytes;
        if (regions is null || regions.IsFine(region)) return;
        marks.AsSpan((int)(region * TraceRegions.PagesPerRegion), TraceRegions.PagesPerRegion).Fill(1);
    }

    /// <summary>Adds time that a vCPU stood in order to arm.</summary>
    public void CountArming(int vcpu, long stallTicks) => faults.AddArming(vcpu, stallTicks);

    /// <summary>Counts a fault of a vCPU, see <see cref="TraceFaults.Add"/>.</summary>
    public void CountFault(int vcpu, long stallTicks, TimeSpan delay) => faults.Add(vcpu, stallTicks, delay);

    /// <summary>Adds the time since <paramref name="started"/> (a stopwatch's timestamp) to the time the first arming took.</summary>
    public void ArmedSince(long started) => Interlocked.Add(ref installTicks, Stopwatch.GetTimestamp() - started);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => slot.Lift(this);

    private void CollectByVcpus(PageSet written)
    {
        var errand = new ArmingErrand(this, written);
        for (int part = 0; part < Armers.Count; part++)
        {
            // Whoever cannot do its part, since its VM is about to end, has it done for it.
            if (!Armers[part].TryAsk(errand)) errand.Run(part);
        }

        errand.Wait();
    }
}
