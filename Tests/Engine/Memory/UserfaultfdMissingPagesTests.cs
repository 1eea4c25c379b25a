using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>
/// In this process, on a mapping that plays the VM's. The touch is a system call, as where QEMU reads a disk block into guest memory: managed code
/// that waits in a page fault would keep the garbage collector waiting too.
/// </summary>
public sealed class UserfaultfdMissingPagesTests : MissingPagesContract
{
    protected override Task<MissingPagesSubject> CreateAsync(
        int pageCount, PageSet missing, Action<GuestMemory> received, long touchedPage)
    {
        var ram = new RamFile(pageCount);
        received(ram.Engine);
        Userfaultfd userfaultfd = Userfaultfd.Create(UserfaultfdMissingPages.RequiredFeatures, kernelModeFaults: true);

        // As the VM's process does: it keeps the descriptor whatever becomes of the engine's.
        using var descriptor = new DescriptorReference(userfaultfd.Handle);
        SafeFileHandle kept = ram.Self.GetFd(descriptor.Descriptor);
        var pages = new UserfaultfdMissingPages(userfaultfd, ram.Self, ram.Address, ram.Engine, ram.File, missing);
        return Task.FromResult<MissingPagesSubject>(new Subject(ram, pages, kept, touchedPage));
    }

    private sealed class Subject(RamFile ram, UserfaultfdMissingPages missing, SafeFileHandle kept, long touchedPage) : MissingPagesSubject
    {
        private Task touching = Task.CompletedTask;
        private volatile bool ended;

        public override MissingPages Missing => missing;

        public override GuestMemory Memory => ram.Engine;

        public override Task TouchAsync() => touching = Task.Factory.StartNew(
            Touch, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

        public override async ValueTask DisposeAsync()
        {
            // The end of a process takes its threads along; here the one that still waits goes on with the last descriptor, and must not count.
            ended = true;
            missing.Dispose();
            kept.Dispose();
            await touching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            ram.Dispose();
        }

        private void Touch()
        {
            using SafeFileHandle zeros = File.OpenHandle("/dev/zero");
            Span<byte> place = ram.Guest.Slice(touchedPage << GuestMemory.PageShift, sizeof(ulong));
            int count = PositionalIo.Read(zeros, 0, place);
            if (ended) throw new OperationCanceledException("The process ended.");
            if (count != place.Length) throw new InvalidOperationException($"{count}: {Marshal.GetPInvokeErrorMessage(-count)}");
        }
    }
}
