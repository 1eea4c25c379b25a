using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>
/// In this process, on a mapping that plays the VM's. The touch is a system call, as where QEMU reads a disk block into guest memory:
/// managed code that waits in a page fault would keep the garbage collector waiting too.
/// </summary>
public sealed class UserfaultfdMissingPagesTests : MissingPagesContract
{
    private const int NeighbourPage = 300;

    private static readonly TimeSpan patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task The_touch_of_a_neighbour_brings_no_large_page_of_zeros_over_missing_pages()
    {
        using var ram = new HugeRamFile(regions: 2);
        using UserfaultfdMissingPages missing = TakeAway(ram, pages: 8);
        Task<long> serving = ServeAsync(missing);
        await TouchAsync(ram, NeighbourPage).WaitAsync(patience, TestContext.Current.CancellationToken);
        byte[] contents = new byte[8 * GuestMemory.PageSizeBytes];
        new Random(1).NextBytes(contents);
        missing.Place(0, contents);
        byte[] actual = new byte[contents.Length];
        ram.Engine.TryRead(0, actual);
        Assert.Equal(contents.Length, contents.AsSpan().CommonPrefixLength(actual));
        Assert.Equal(-1, await serving.WaitAsync(patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task After_the_last_page_nobody_waits_for_a_page_that_never_was_missing()
    {
        using var ram = new HugeRamFile(regions: 1);
        using UserfaultfdMissingPages missing = TakeAway(ram, pages: 1);
        Task<long> serving = ServeAsync(missing);
        missing.PlaceZeros(0, 1);
        Assert.Equal(-1, await serving.WaitAsync(patience, TestContext.Current.CancellationToken));
        await TouchAsync(ram, NeighbourPage).WaitAsync(patience, TestContext.Current.CancellationToken);
    }

    private static UserfaultfdMissingPages TakeAway(HugeRamFile ram, long pages)
    {
        var set = new PageSet(ram.SizeBytes >> GuestMemory.PageShift);
        set.AddRange(0, pages);
        Userfaultfd userfaultfd = Userfaultfd.Create(UserfaultfdMissingPages.RequiredFeatures, kernelModeFaults: true);
        return new(userfaultfd, ram.Self, ram.Address, ram.Engine, ram.File, set);
    }

    private static Task<long> ServeAsync(UserfaultfdMissingPages missing) => Task.Factory.StartNew(
        () => missing.WaitForTouch(CancellationToken.None), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static Task TouchAsync(HugeRamFile ram, long page) => Task.Factory.StartNew(
        () =>
        {
            using SafeFileHandle zeros = File.OpenHandle("/dev/zero");
            Span<byte> place = ram.Guest.Slice(page << GuestMemory.PageShift, sizeof(ulong));
            Assert.Equal(place.Length, PositionalIo.Read(zeros, 0, place));
        },
        CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

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
            // The end of a process takes its threads along; here the one that still waits goes on with the last descriptor, and must not
            // count.
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
