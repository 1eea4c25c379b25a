using System.Diagnostics;
using System.Runtime.InteropServices;

namespace VmMigration.Engine.Native;

/// <summary>Waits until one of several descriptors is ready (ppoll(2)).</summary>
internal static unsafe partial class DescriptorPoll
{
    /// <summary>POLLIN.</summary>
    public const short In = 1;

    /// <summary>Waits; a signal does not end it early.</summary>
    /// <param name="entries">The descriptors, which the caller holds open; what is ready is written back.</param>
    /// <param name="limit">Longest time to wait; negative waits without end.</param>
    /// <returns>How many are ready; 0 where the time is over.</returns>
    public static int Wait(Span<Entry> entries, TimeSpan limit)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            TimeSpan left = limit < TimeSpan.Zero ? limit : limit - Stopwatch.GetElapsedTime(start);
            var time = new TimeSpec
            {
                Seconds = Math.Max(left.Ticks, 0) / TimeSpan.TicksPerSecond,
                Nanoseconds = Math.Max(left.Ticks, 0) % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick,
            };
            int ready;
            // SAFETY: entries of the layout ppoll(2) takes, pinned for the call; a null time waits without end.
            fixed (Entry* pointer = entries) ready = Poll(pointer, (nuint)entries.Length, limit < TimeSpan.Zero ? null : &time, null);
            if (ready >= 0) return ready;
            if (Marshal.GetLastPInvokeError() != Errno.EINTR) throw Errno.LastFailure("ppoll", $"{entries.Length} descriptors");
        }
    }

    [LibraryImport("libc", EntryPoint = "ppoll", SetLastError = true)]
    private static partial int Poll(Entry* entries, nuint count, TimeSpec* limit, void* signalMask);

    /// <summary><c>struct pollfd</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Entry
    {
        public int Descriptor;
        public short Events;
        public short ReturnedEvents;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
