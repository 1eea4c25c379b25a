using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>What it takes for a QEMU to run before all of its memory is there.</summary>
internal static class QemuMissingPages
{
    /// <summary>Why RAM on a hugetlbfs cannot have missing pages.</summary>
    public const string HugetlbfsObstacle = "The guest's RAM is on a hugetlbfs, whose large pages cannot arrive in parts.";

    // Longer than a QEMU that can answer needs to.
    private static readonly TimeSpan answerLimit = TimeSpan.FromSeconds(1);

    /// <summary>Reports why pages of this RAM cannot be missing, in a sentence; null where they can.</summary>
    public static string? FindObstacle(QemuRam ram)
    {
        if (ram.FilePath is not { } path) return "The guest's RAM has no file that could be opened: its pages cannot be taken away.";
        using SafeFileHandle file = OpenFile.ForReading(path);
        return FileSystemType.Read(file) == FileSystemType.Hugetlbfs
            ? HugetlbfsObstacle : null;
    }

    /// <summary>Takes the pages away.</summary>
    public static UserfaultfdMissingPages Start(QemuProcess process, QemuRam ram, PageSet missing)
    {
        // QEMU reads disk blocks into guest memory by system calls, so their faults count too.
        var userfaultfd = Userfaultfd.CreateInside(
            process.Handle, UserfaultfdMissingPages.RequiredFeatures, kernelModeFaults: true, stayOpenInside: true);
        try
        {
            using SafeFileHandle file = OpenFile.ForReadingAndWriting(ram.FilePath!);
            return new(userfaultfd, process.Handle, ram.Address, ram.Memory, file, missing);
        }
        catch
        {
            userfaultfd.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Asks a QEMU whose pages are missing what it is doing. Its main loop may itself wait for a page, or for a vCPU that does: it answers
    /// then only once the page is there, and until then it stands still.
    /// </summary>
    public static async Task<VmState> ReadStateAsync(QemuProcess process, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(answerLimit);
        try
        {
            return (await QemuStatus.ReadAsync(process.Qmp, limit.Token).ConfigureAwait(false)).State;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return VmState.Paused;
        }
    }
}
