using System.Collections.Concurrent;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// Merges the overlays of VMs that arrived with their disks, in the background while they run, until one file per disk remains. What is still
/// to do is in the VM's journaled specification: a host that is opened again, and a VM that is started again, go on with it.
/// </summary>
internal sealed class OverlayMerges(ILogger log) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<Guid, Task> running = new();
    private readonly CancellationTokenSource closing = new();

    /// <summary>Whether a disk is still to be merged, or the file of its merged overlay still to be removed.</summary>
    public static bool IsPending(QemuDisk disk) => disk.MergedOverlay is not null || disk.Base is { MergePending: true };

    /// <summary>Begins to merge what is to be merged of a running VM; does nothing where nothing is, or it is being done.</summary>
    public void Begin(VmSlot slot)
    {
        if (slot.Specification.Qemu is not { } guest || !guest.Disks.Any(IsPending) || closing.IsCancellationRequested) return;
        Guid id = slot.Specification.Id;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!running.TryAdd(id, done.Task)) return;
        _ = Task.Run(async () =>
        {
            await RunAsync(slot).ConfigureAwait(false);
            running.TryRemove(id, out _);
            done.SetResult();
        });
    }

    /// <summary>Ends the merges; those that are not complete are gone on with when the host is opened again.</summary>
    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(running.Values).ConfigureAwait(false);
        closing.Dispose();
    }

    private async Task RunAsync(VmSlot slot)
    {
        try
        {
            await ResumeInterruptedAsync(slot).ConfigureAwait(false);
            for (int index = 0; index < slot.Specification.Qemu!.Disks.Count; index++)
            {
                if (slot.Present.Machine?.Disks is not { } disks) return;
                if (slot.Specification.Qemu.Disks[index].Base is { MergePending: true })
                {
                    await MergeAsync(slot, disks, index).ConfigureAwait(false);
                }

                await RemoveMergedAsync(slot, disks, index).ConfigureAwait(false);
            }

            log.Information("The disks of VM {Vm} are one file each again", slot.Name);
        }
        catch (OperationCanceledException)
        {
            log.Information("The merge of VM {Vm}'s disks goes on when the host is open again", slot.Name);
        }
        catch (Exception error) when (error is MigrationException or IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            // The VM's disks are whole with their overlays; it is tried again when the VM is started or the host opened.
            log.Error(error, "The disks of VM {Vm} could not be merged; they stay as they are", slot.Name);
        }
    }

    /// <summary>Lets a VM run on that a merge had paused when its engine was killed.</summary>
    private async Task ResumeInterruptedAsync(VmSlot slot)
    {
        using AsyncLock.Holder runState = await slot.RunState.EnterAsync(closing.Token).ConfigureAwait(false);
        using AsyncLock.Holder holder = await slot.EnterAsync(closing.Token).ConfigureAwait(false);
        if (slot.Present is not { MigrationId: null, MeantToRun: true, Ownership: VmOwnership.Owned, Machine: { } machine }) return;
        if (await machine.GetStateAsync(closing.Token).ConfigureAwait(false) != VmState.Paused) return;
        await machine.ResumeAsync(closing.Token).ConfigureAwait(false);
        log.Warning("Resumed VM {Vm}, which an interrupted merge of its disks had paused", slot.Name);
    }

    private async Task MergeAsync(VmSlot slot, IVmDisks disks, int index)
    {
        IVmDiskMerge? merge = await disks.MergeAsync(QemuDisks.NameOf(index), closing.Token).ConfigureAwait(false);
        try
        {
            if (merge is not null) await merge.Ready.WaitAsync(closing.Token).ConfigureAwait(false);
            using AsyncLock.Holder runState = await slot.RunState.EnterAsync(closing.Token).ConfigureAwait(false);
            using AsyncLock.Holder holder = await slot.EnterAsync(closing.Token).ConfigureAwait(false);
            if (slot.Present is not { MigrationId: null, Machine: { } machine } || !ReferenceEquals(machine.Disks, disks)) return;
            await PivotAsync(slot, machine, merge, index).ConfigureAwait(false);
        }
        finally
        {
            if (merge is not null) await merge.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Takes the overlay away while the VM stands still: until its next write, image and overlay read the same, so that whichever the journal
    /// names after a crash in between is right. The record is on disk before that write.
    /// </summary>
    private async Task PivotAsync(VmSlot slot, IVirtualMachine machine, IVmDiskMerge? merge, int index)
    {
        bool runs = await machine.GetStateAsync(closing.Token).ConfigureAwait(false) == VmState.Running;
        if (runs) await machine.PauseAsync(closing.Token).ConfigureAwait(false);
        try
        {
            if (merge is not null) await merge.PivotAsync().ConfigureAwait(false);
            QemuDisk disk = slot.Specification.Qemu!.Disks[index];
            QemuDisk merged = disk with { Path = disk.Base!.Path, Format = disk.Base.Format, Base = null, MergedOverlay = disk.Path };
            try
            {
                Specify(slot, index, merged);
            }
            catch (MigrationException)
            {
                // A VM started from an overlay that is out of date would lose writes; from one that is gone it does not start.
                File.Delete(disk.Path);
                throw;
            }
        }
        finally
        {
            if (runs) await machine.ResumeAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task RemoveMergedAsync(VmSlot slot, IVmDisks disks, int index)
    {
        if (slot.Specification.Qemu!.Disks[index].MergedOverlay is not { } overlay) return;
        await disks.CloseAsync(overlay, closing.Token).ConfigureAwait(false);
        File.Delete(overlay);
        using AsyncLock.Holder holder = await slot.EnterAsync(closing.Token).ConfigureAwait(false);
        Specify(slot, index, slot.Specification.Qemu!.Disks[index] with { MergedOverlay = null });
    }

    private static void Specify(VmSlot slot, int index, QemuDisk disk)
    {
        QemuDisk[] disks = [.. slot.Specification.Qemu!.Disks];
        disks[index] = disk;
        slot.SpecifyDisks(disks);
    }
}
