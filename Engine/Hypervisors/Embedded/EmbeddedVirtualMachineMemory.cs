using System.Diagnostics;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <content>What is done with the memory of a VM beyond reading and writing: traces, poison, missing pages.</content>
public sealed partial class EmbeddedVirtualMachine
{
    /// <inheritdoc/>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where writes are traced already, or while pages of a post-copy are missing.
    /// </exception>
    public async Task<WriteTrace> StartWriteTraceAsync(int granularityBytes, CancellationToken cancellationToken)
    {
        using Turn held = await TakeTurnAsync(cancellationToken).ConfigureAwait(false);
        Require("trace the writes of", VmState.Running, VmState.Paused, VmState.Incoming);
        RequireWhole("Writes of it cannot be traced before");
        long started = Stopwatch.GetTimestamp();
        var trace = new SoftwareWriteTrace(
            memory.SizeBytes, granularityBytes == WriteTrace.AutoGranularity ? guest.WriteTraceGranularityBytes : granularityBytes,
            watch.Traces, Specification.VcpuCount)
        {
            FaultTime = guest.TraceFaultTime,
            Armers = vcpus.Armers(guest.TraceArmingVcpus),
        };
        if (!watch.Traces.TryArm(trace))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState, $"Writes of '{Specification.Name}' are being traced already.",
                "Stop the other trace first.");
        }

        // Once each vCPU has looked for orders after the trace was put in, none writes without marking.
        await vcpus.OrderAsync(Mode, share).ConfigureAwait(false);
        trace.ArmedSince(started);
        return trace;
    }

    /// <inheritdoc/>
    public LargePageCoverage? ReadLargePageCoverage() => memory.ReadLargePageCoverage();

    /// <inheritdoc/>
    /// <remarks>Memory errors of the machine are the engine process's own: nothing is looked for.</remarks>
    public Task<IReadOnlyList<PoisonedPage>> FindPoisonedPagesAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult<IReadOnlyList<PoisonedPage>>(
            [.. memory.Poisoned.ToList().Select(page => page with { GuestPhysicalAddress = page.Page << GuestMemory.PageShift })]);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// A flag for each page: a vCPU that touches one has a machine check, which ends the VM. RAM starts at guest-physical address 0.
    /// </remarks>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where the VM runs; <see cref="MigrationErrorReason.InvalidArgument"/> for a page it
    /// does not have.
    /// </exception>
    public async Task PoisonAsync(IReadOnlyList<PoisonedPage> pages, CancellationToken cancellationToken)
    {
        using Turn held = await TakeTurnAsync(cancellationToken).ConfigureAwait(false);
        Require("poison pages of", VmState.Paused, VmState.Incoming);
        foreach (PoisonedPage page in pages)
        {
            if (page.Page >= 0 && page.Page < memory.PageCount) continue;
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument,
                $"'{Specification.Name}' has no page {page.Page}.", $"Its last page is {memory.PageCount - 1}.");
        }

        foreach (PoisonedPage page in pages) memory.Poison(page);
    }

    /// <inheritdoc/>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where the VM runs, or its writes are traced, or pages are missing already.
    /// </exception>
    public async Task<MissingPages> StartPostcopyAsync(PageSet missing, CancellationToken cancellationToken)
    {
        using Turn held = await TakeTurnAsync(cancellationToken).ConfigureAwait(false);
        Require("take pages from", VmState.Incoming, VmState.Paused);
        if (missing.PageCount != memory.PageCount)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"A set of {missing.PageCount} pages was given for a memory of {memory.PageCount}.");
        }

        RequireWhole("No more pages can be taken from it before");
        if (watch.Traces.Armed is not null)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState, $"Pages cannot be taken from '{Specification.Name}' while its writes are traced.",
                "Stop the trace first.");
        }

        var pages = new EmbeddedMissingPages(memory, missing);
        watch.Missing = pages;
        return pages;
    }

    private void RequireWhole(string refused)
    {
        if (watch.Missing is not { RemainingCount: > 0 } missing) return;
        throw new MigrationException(
            MigrationErrorReason.InvalidState,
            $"The memory of '{Specification.Name}' is not complete. {refused}"
            + $" {missing.RemainingCount} pages have come from its former host.",
            "Wait until the migration that brings the VM here has completed.");
    }

    /// <summary>Ends the VM when a vCPU touches a poisoned page; never where none does.</summary>
    private async Task EndAfterMachineCheckAsync()
    {
        long page = await watch.MachineCheck.ConfigureAwait(false);
        using Turn held = await TakeTurnAsync(CancellationToken.None).ConfigureAwait(false);
        if (state == VmState.Stopped) return;
        await EndAsync($"the guest touched the poisoned page at 0x{page << GuestMemory.PageShift:x}").ConfigureAwait(false);
    }
}
