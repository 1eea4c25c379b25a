using System.Numerics;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Arms write traces over a QEMU's RAM in the way that was asked for, or the nearest that works, with the reason.</summary>
internal sealed class QemuWriteTraces(QemuProcess process, QemuRam ram, KernelFeatures features)
{
    /// <summary>Why writes cannot be traced at all; null where one way works.</summary>
    public string? Obstacle => features.WriteTraceObstacle;

    /// <summary>Why the engine cannot handle first writes; null where it can.</summary>
    public string? CoarseRefused => features.SyncTraceObstacle;

    /// <summary>Arms a trace; see <see cref="IVirtualMachine.StartWriteTraceAsync"/>.</summary>
    public WriteTrace Start(int granularityBytes)
    {
        if (granularityBytes != WriteTrace.AutoGranularity
            && (granularityBytes is < GuestMemory.PageSizeBytes or > WriteTrace.MaxGranularityBytes
                || !BitOperations.IsPow2(granularityBytes)))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument,
                $"Writes are traced in units of a power of two from {GuestMemory.PageSizeBytes}"
                + $" to {WriteTrace.MaxGranularityBytes} bytes, not {granularityBytes}.");
        }

        QemuTraceChoice choice = QemuTraceChoice.Make(
            granularityBytes, ram.PageSizeBytes, features.AsyncTraceObstacle, features.SyncTraceObstacle);
        try
        {
            return Arm(choice);
        }
        catch (SystemCallException exception) when (
            exception.ErrorNumber == Errno.EPERM && choice.Mechanism != WriteTraceMechanism.AsyncWriteProtect
            && features.AsyncTraceObstacle is null)
        {
            // The engine has the right to handle kernel-mode faults, and QEMU, which makes the descriptor, runs without it.
            string obstacle = $"First writes cannot be handled by the engine: {exception.Message}";
            return Arm(QemuTraceChoice.Make(granularityBytes, ram.PageSizeBytes, asyncObstacle: null, obstacle));
        }
    }

    private WriteTrace Arm(QemuTraceChoice choice) => choice.Mechanism switch
    {
        WriteTraceMechanism.AsyncWriteProtect => Attach(
            AsyncWriteTrace.RequiredFeatures, kernelModeFaults: false, userfaultfd => new AsyncWriteTrace(
                userfaultfd, process.Handle, ram.Address, ram.Memory.SizeBytes, choice.GranularityBytes, choice.Fallback,
                onHugetlbfs: ram.Backing == MemoryBacking.HugeTlb)),
        WriteTraceMechanism.SyncWriteProtect => Attach(
            SyncWriteTrace.RequiredFeatures, kernelModeFaults: true, userfaultfd => new SyncWriteTrace(
                userfaultfd, process.Handle, ram.Address, ram.Memory.SizeBytes, choice.GranularityBytes, choice.Fallback)),
        _ => Attach<WriteTrace>(SyncWriteTrace.RequiredFeatures, kernelModeFaults: true, firstWrites => Attach(
            AsyncWriteTrace.RequiredFeatures, kernelModeFaults: false, pageFaults => new AdaptiveWriteTrace(
                firstWrites, pageFaults, process.Handle, ram.Address, ram.Memory.SizeBytes))),
    };

    private T Attach<T>(UserfaultfdFeatures wanted, bool kernelModeFaults, Func<Userfaultfd, T> make)
    {
        Userfaultfd userfaultfd = Userfaultfd.CreateInside(process.Handle, wanted, kernelModeFaults);
        try
        {
            return make(userfaultfd);
        }
        catch
        {
            userfaultfd.Dispose();
            throw;
        }
    }
}
