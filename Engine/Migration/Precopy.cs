using System.Diagnostics;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Migration;

/// <summary>Copies memory in passes while the VM runs, until what is left is small enough to switch over.</summary>
internal sealed class Precopy(
    IVirtualMachine vm, PageTransfer transfer, TransferCounters counters, MigrationOptions options, MigrationStatusFeed feed)
{
    private static readonly TimeSpan progressInterval = TimeSpan.FromMilliseconds(250);

    private readonly List<PassSummary> passes = [];
    private WriteTrace? trace;
    private double vcpuShare = 1;
    private double dirtyBytesPerSecond;

    /// <summary>The passes so far.</summary>
    public IReadOnlyList<PassSummary> Passes => passes;

    /// <summary>The least share of its time the guest was held to.</summary>
    public double MinVcpuShare => passes.Count == 0 ? 1 : passes.Min(pass => pass.VcpuShare);

    /// <summary>Whether the pages that are left are to follow the VM, instead of being sent with the VM paused.</summary>
    public bool EndsInPostcopy { get; private set; }

    /// <summary>Runs passes until convergence; returns the pages that are still to be sent.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.NotConverging"/> where the limits are reached first.</exception>
    public async Task<PageSet> RunAsync(WriteTrace armedTrace, CancellationToken cancellationToken)
    {
        trace = armedTrace;

        // The trace is armed already: a page that gets its first data after this look is reported as written.
        PageSet pages = FindPagesWithData();
        counters.AddPages(0, vm.Memory.PageCount - pages.Count);
        var written = new PageSet(vm.Memory.PageCount);
        while (true)
        {
            long faultsBefore = trace.Statistics.Faults;
            PassSummary pass = await SendPassAsync(pages, paused: false, cancellationToken).ConfigureAwait(false);
            written.Clear();
            trace.CollectAndRearm(written);

            long remainingBytes = written.Count << GuestMemory.PageShift;
            passes[^1] = pass with { DirtyBytes = remainingBytes };
            double seconds = Math.Max(pass.Duration.TotalSeconds, 1e-6);
            dirtyBytesPerSecond = remainingBytes / seconds;

            // What a coarse trace reports and did not change is done without the link, in the last pass too.
            double doneBytesPerSecond = (pass.BytesSent + (pass.PagesUnchanged << GuestMemory.PageShift)) / seconds;
            var metrics = new ConvergenceMetrics(
                pass.Number, pass.PagesToSend << GuestMemory.PageShift, remainingBytes, doneBytesPerSecond, vcpuShare)
            {
                Duration = pass.Duration,
                Faults = trace.Statistics.Faults - faultsBefore,
                FaultDelay = trace.FaultDelay,
                CanDelayFaults = trace.CanDelayFaults,
                CannotCapVcpus = vm.Capabilities.ThrottleRefused is not null,
            };
            ConvergenceDecision decision = Convergence.Decide(metrics, options);
            if (decision.FaultDelay != trace.FaultDelay) trace.FaultDelay = decision.FaultDelay;
            switch (decision.Action)
            {
                case ConvergenceAction.SwitchOver:
                    // A vCPU that is held back could not stop.
                    trace.FaultDelay = TimeSpan.Zero;
                    trace.PrepareLastCollection(written);
                    return written;
                case ConvergenceAction.Postcopy:
                    trace.FaultDelay = TimeSpan.Zero;
                    EndsInPostcopy = remainingBytes > 0;
                    return written;
                case ConvergenceAction.GiveUp:
                    throw new MigrationException(
                        MigrationErrorReason.NotConverging,
                        $"After {pass.Number} passes {remainingBytes >> 20} MiB were still being rewritten per pass: the guest writes "
                        + $"{dirtyBytesPerSecond / 1e6:F0} MB/s, the link carried {pass.BytesSent / seconds / 1e6:F0} MB/s.",
                        "Allow a longer downtime, a lower vCPU share or more bandwidth, or migrate at a quieter time.");
                case ConvergenceAction.SlowDown:
                    if (decision.VcpuShare == vcpuShare) break;
                    vcpuShare = decision.VcpuShare;
                    await vm.SetVcpuShareAsync(vcpuShare, cancellationToken).ConfigureAwait(false);
                    break;
            }

            (pages, written) = (written, pages);
        }
    }

    /// <summary>Sends one pass and keeps its summary. The last one, with the VM paused, ends when the destination has everything.</summary>
    public async Task<PassSummary> SendPassAsync(PageSet pages, bool paused, CancellationToken cancellationToken)
    {
        long pagesToSend = pages.Count;
        long dataBefore = counters.PagesData, zeroBefore = counters.PagesZero;
        long bytesBefore = counters.BytesSent, unchangedBefore = counters.PagesUnchanged;
        TimeSpan delay = trace?.FaultDelay ?? TimeSpan.Zero;
        var watch = Stopwatch.StartNew();
        Task sending = transfer.SendAsync(pages, flush: paused, cancellationToken);
        while (!sending.IsCompleted)
        {
            await Task.WhenAny(sending, Task.Delay(progressInterval, CancellationToken.None)).ConfigureAwait(false);
            long pagesDone = counters.PagesData + counters.PagesZero + counters.PagesUnchanged - dataBefore - zeroBefore - unchangedBefore;
            ReportProgress(pagesToSend, pagesDone, bytesBefore, watch.Elapsed);
        }

        await sending.ConfigureAwait(false);
        var summary = new PassSummary(
            passes.Count + 1, pagesToSend, counters.PagesData - dataBefore, counters.PagesZero - zeroBefore,
            counters.BytesSent - bytesBefore, watch.Elapsed, vcpuShare)
        {
            PagesUnchanged = counters.PagesUnchanged - unchangedBefore,
            FaultDelay = delay,
        };
        passes.Add(summary);
        return summary;
    }

    private void ReportProgress(long pagesToSend, long pagesDone, long bytesBefore, TimeSpan elapsed)
    {
        double bytesPerSecond = (counters.BytesSent - bytesBefore) / Math.Max(elapsed.TotalSeconds, 1e-6);
        feed.Report(new(
            passes.Count + 1, pagesDone, pagesToSend, counters.BytesSent, bytesPerSecond, dirtyBytesPerSecond, vcpuShare)
        {
            WriteTrace = trace?.Report,
            Passes = [.. passes],
        });
    }

    private PageSet FindPagesWithData()
    {
        var pages = new PageSet(vm.Memory.PageCount);
        for (long offset = 0; vm.Memory.TryFindData(offset, out long start, out long end); offset = end)
        {
            pages.AddRange(start >> GuestMemory.PageShift, (end - start) >> GuestMemory.PageShift);
        }

        return pages;
    }
}
