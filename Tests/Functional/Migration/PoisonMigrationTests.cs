using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Functional.Tests.Migration;

/// <summary>Poisoned pages of a real QEMU: found, listed, carried, re-created.</summary>
public sealed class PoisonMigrationTests
{
    private const int Page = GuestMemory.PageSizeBytes;

    private static readonly MigrationOptions verified = new() { VerifyMemory = true };

    // Apart and side by side, and two in one stretch of 2 MiB.
    private static readonly long[] tenAddresses =
    [
        .. new long[] { 0, 1, 2, 700, 701, 1536, 1600, 2100, 3000, 4095 }.Select(page => PoisonHosts.ReservedAddress + (page * Page)),
    ];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(MemoryBacking.BasePages)]
    [InlineData(MemoryBacking.TransparentHugePages)]
    public async Task Ten_poisoned_pages_stay_poisoned_at_the_same_addresses_over_two_migrations(MemoryBacking backing)
    {
        await using var hosts = new PoisonHosts();
        LocalHost a = await hosts.OpenAsync("a", null, Cancel);
        LocalHost b = await hosts.OpenAsync("b", null, Cancel);
        LocalHost c = await hosts.OpenAsync("c", null, Cancel);
        VmDescription vm = await hosts.BootAsync(a, Cancel, backing);
        Guid id = vm.Specification.Id;
        if (backing == MemoryBacking.TransparentHugePages) Assert.True(PoisonHosts.IsMappedLarge(vm, PoisonHosts.ReservedAddress));
        IReadOnlyList<PoisonedPage> added = await a.AddPoisonedPagesAsync(id, tenAddresses, Cancel);
        Assert.Equal(tenAddresses, added.Select(page => page.GuestPhysicalAddress!.Value));
        Assert.Equal(10, PoisonHosts.Touch(vm, PoisonHosts.ReservedAddress, PoisonHosts.ReservedBytes));
        await QemuHostPair.AssertTicksAsync(a, id, Cancel);

        PreflightReport report = await MigrationBroker.CheckAsync(a, id, b, verified, Cancel);
        PreflightFinding warning = Assert.Single(report.Findings, finding => finding.Check == "PoisonedPages");
        Assert.Equal(PreflightSeverity.Warning, warning.Severity);
        Assert.Contains("0x8000000", warning.Message, StringComparison.Ordinal);
        Assert.Contains("and 2 more", warning.Message, StringComparison.Ordinal);

        foreach ((LocalHost source, LocalHost destination) in new[] { (a, b), (b, c) })
        {
            MigrationStatus status = await PoisonHosts.MigrateAsync(source, id, destination, verified, Cancel);
            Assert.True(status.State == MigrationState.Completed, status.ErrorMessage);
            Assert.True(status.Result!.MemoryVerified);
            Assert.Equal(tenAddresses, status.Result.PoisonedPages.Select(page => page.GuestPhysicalAddress!.Value));
            VmDescription there = await destination.GetVmAsync(id, Cancel);
            IReadOnlyList<PoisonedPage> listed = await destination.ListPoisonedPagesAsync(id, Cancel);
            Assert.Equal(tenAddresses, listed.Select(page => page.GuestPhysicalAddress!.Value));
            Assert.All(listed, page => Assert.Equal((PoisonSource.Carried, PoisonSource.Injected), (page.Source, page.OriginalSource)));
            Assert.Equal(added.Select(page => page.Since), listed.Select(page => page.Since));
            Assert.Equal(10, PoisonHosts.Touch(there, PoisonHosts.ReservedAddress, PoisonHosts.ReservedBytes));
            await QemuHostPair.AssertTicksAsync(destination, id, Cancel);
        }

        if (backing == MemoryBacking.TransparentHugePages)
        {
            // Of the eight regions of 2 MiB, the two without a poisoned page are on large pages as before.
            VmDescription last = await c.GetVmAsync(id, Cancel);
            Assert.Equal([2, 6], Enumerable.Range(0, 8).Where(
                region => PoisonHosts.IsMappedLarge(last, PoisonHosts.ReservedAddress + (region * (2L << 20)))));
        }
    }

    [Theory]
    [InlineData(GuestMemory.PageSizeBytes)]
    [InlineData(2 << 20)]
    [InlineData(WriteTrace.AutoGranularity)]
    public async Task A_page_poisoned_in_the_middle_of_pre_copy_arrives_poisoned_and_without_its_contents(int granularityBytes)
    {
        await using var hosts = new PoisonHosts();
        LocalHost a = await hosts.OpenAsync("a", null, Cancel);
        LocalHost b = await hosts.OpenAsync("b", null, Cancel);
        VmDescription vm = await hosts.BootAsync(a, Cancel);
        Guid id = vm.Specification.Id;
        MigrationStatus started = await MigrationBroker.StartAsync(
            a, id, b, verified with
            {
                MaxBytesPerSecond = 60_000_000, DowntimeLimit = TimeSpan.FromSeconds(2), WriteTraceGranularityBytes = granularityBytes,
            }, Cancel);
        await foreach (MigrationStatus next in a.WatchMigrationAsync(started.Id, Cancel))
        {
            // Most of the first pass: the page is there already.
            if (next.Progress is { Pass: 1 } progress && progress.PagesDone * 4 > progress.PagesInPass * 3) break;
            Assert.False(next.HasEnded, "The migration ended before a page could be poisoned.");
        }

        await a.AddPoisonedPagesAsync(id, [PoisonHosts.ReservedAddress + (5 * Page)], Cancel);
        MigrationStatus status = started;
        await foreach (MigrationStatus next in a.WatchMigrationAsync(started.Id, Cancel)) status = next;

        Assert.True(status.State == MigrationState.Completed, status.ErrorMessage);
        Assert.True(status.Result!.MemoryVerified);
        PoisonedPage page = Assert.Single(await b.ListPoisonedPagesAsync(id, Cancel));
        Assert.Equal(PoisonHosts.ReservedAddress + (5 * Page), page.GuestPhysicalAddress);
        VmDescription there = await b.GetVmAsync(id, Cancel);
        Assert.Equal(VmState.Running, there.State);
        Assert.Equal(1, PoisonHosts.Touch(there, PoisonHosts.ReservedAddress, PoisonHosts.ReservedBytes));
        using RamFileMemory memory = RamFileMemory.Open(there.Instance!.RamFilePath!, there.Specification.MemoryBytes);
        byte[] content = new byte[Page];
        Assert.Equal(Page, memory.TryRead(page.Page * Page, content));
        Assert.False(content.AsSpan().ContainsAnyExcept((byte)0), "The destination's file holds what the page held.");
    }

    [Fact]
    public async Task Poisoned_pages_arrive_poisoned_where_the_VM_resumes_before_its_memory_is_there()
    {
        await using var hosts = new PoisonHosts();
        LocalHost a = await hosts.OpenAsync("a", null, Cancel);
        LocalHost b = await hosts.OpenAsync("b", null, Cancel);
        VmDescription vm = await hosts.BootAsync(a, Cancel);
        Guid id = vm.Specification.Id;
        await a.AddPoisonedPagesAsync(id, tenAddresses, Cancel);

        MigrationStatus status = await PoisonHosts.MigrateAsync(
            a, id, b, verified with { Postcopy = PostcopyPolicy.AfterFirstPass, MaxBytesPerSecond = 100_000_000 }, Cancel);

        Assert.True(status.State == MigrationState.Completed, status.ErrorMessage);
        Assert.True(status.Result!.MemoryVerified);
        Assert.Equal(tenAddresses, status.Result.PoisonedPages.Select(page => page.GuestPhysicalAddress!.Value));
        Assert.Equal(tenAddresses, (await b.ListPoisonedPagesAsync(id, Cancel)).Select(page => page.GuestPhysicalAddress!.Value));
        Assert.Equal(10, PoisonHosts.Touch(await b.GetVmAsync(id, Cancel), PoisonHosts.ReservedAddress, PoisonHosts.ReservedBytes));
        await QemuHostPair.AssertTicksAsync(b, id, Cancel);
    }

    [Fact]
    public async Task Without_UFFDIO_POISON_access_is_taken_away_and_the_result_says_so()
    {
        KernelFeatures without = KernelFeatures.Probe() with { Poison = false };
        await using var hosts = new PoisonHosts();
        LocalHost a = await hosts.OpenAsync("a", without, Cancel);
        LocalHost b = await hosts.OpenAsync("b", without, Cancel);
        VmDescription vm = await hosts.BootAsync(a, Cancel);
        Guid id = vm.Specification.Id;
        await a.AddPoisonedPagesAsync(id, tenAddresses, Cancel);

        MigrationStatus status = await PoisonHosts.MigrateAsync(a, id, b, verified, Cancel);

        Assert.True(status.State == MigrationState.Completed, status.ErrorMessage);
        Assert.True(status.Result!.MemoryVerified);
        Assert.Contains(status.Result.Fallbacks, line => line.Contains("UFFDIO_POISON", StringComparison.Ordinal));
        await QemuHostPair.AssertTicksAsync(b, id, Cancel);

        // An engine that comes later finds the VM and its pages again, in a mapping that is in pieces.
        b = await hosts.ReopenAsync(b, Cancel);
        IReadOnlyList<PoisonedPage> listed = await b.ListPoisonedPagesAsync(id, Cancel);
        Assert.Equal(tenAddresses, listed.Select(page => page.GuestPhysicalAddress!.Value));
        Assert.All(listed, page => Assert.Equal(PoisonSource.Kernel, page.Source));
        await QemuHostPair.AssertTicksAsync(b, id, Cancel);
    }

    [Fact]
    public async Task A_destination_that_cannot_poison_is_refused_with_the_reason()
    {
        await using var hosts = new PoisonHosts();
        LocalHost a = await hosts.OpenAsync("a", null, Cancel);
        LocalHost b = await hosts.OpenAsync("b", KernelFeatures.Probe() with { Ptrace = false }, Cancel);
        VmDescription vm = await hosts.BootAsync(a, Cancel);
        Guid id = vm.Specification.Id;
        await a.AddPoisonedPagesAsync(id, tenAddresses, Cancel);

        PreflightReport report = await MigrationBroker.CheckAsync(a, id, b, verified, Cancel);
        PreflightFinding error = Assert.Single(report.Findings, finding => finding.Check == "DestinationPoison");
        Assert.Equal(PreflightSeverity.Error, error.Severity);
        Assert.Contains("trace processes", error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.RecommendedAction);

        // The same past the preflight check, by a source that does not say so beforehand.
        var request = new IncomingRequest(Guid.NewGuid(), vm.Specification, StateContents.Devices, verified, "a");
        MigrationStatus status = await a.StartMigrationAsync(
            new(id, await b.PrepareIncomingAsync(request, Cancel), StateContents.Devices, verified), Cancel);
        await foreach (MigrationStatus next in a.WatchMigrationAsync(status.Id, Cancel)) status = next;
        Assert.Equal(MigrationState.RolledBack, status.State);
        Assert.Equal(MigrationErrorReason.PrerequisiteMissing, status.ErrorReason);
        await QemuHostPair.AssertTicksAsync(a, id, Cancel);
    }

    [Fact]
    public async Task The_hypervisors_own_migration_is_refused_where_a_page_is_poisoned()
    {
        await using var hosts = new PoisonHosts();
        LocalHost a = await hosts.OpenAsync("a", null, Cancel);
        LocalHost b = await hosts.OpenAsync("b", null, Cancel);
        VmDescription vm = await hosts.BootAsync(a, Cancel);
        Guid id = vm.Specification.Id;
        await a.AddPoisonedPagesAsync(id, tenAddresses[..1], Cancel);
        MigrationOptions options = verified with { ForceHypervisorMigration = true };

        MigrationException refused = await Assert.ThrowsAsync<MigrationException>(
            () => MigrationBroker.StartAsync(a, id, b, options, Cancel));
        Assert.Equal(MigrationErrorReason.PreflightFailed, refused.Reason);
        Assert.Contains("0x8000000", refused.Message, StringComparison.Ordinal);

        var request = new IncomingRequest(Guid.NewGuid(), vm.Specification, StateContents.DevicesAndMemory, options, "a");
        MigrationStatus status = await a.StartMigrationAsync(
            new(id, await b.PrepareIncomingAsync(request, Cancel), StateContents.DevicesAndMemory, options), Cancel);
        await foreach (MigrationStatus next in a.WatchMigrationAsync(status.Id, Cancel)) status = next;
        Assert.Equal(MigrationState.RolledBack, status.State);
        Assert.Equal(MigrationErrorReason.PrerequisiteMissing, status.ErrorReason);
        await QemuHostPair.AssertTicksAsync(a, id, Cancel);
    }

    [Fact]
    public async Task Marks_are_found_again_after_a_restart_of_the_engine()
    {
        await using var hosts = new PoisonHosts();
        LocalHost a = await hosts.OpenAsync("a", null, Cancel);
        VmDescription vm = await hosts.BootAsync(a, Cancel);
        Guid id = vm.Specification.Id;
        await a.AddPoisonedPagesAsync(id, tenAddresses, Cancel);

        a = await hosts.ReopenAsync(a, Cancel);

        IReadOnlyList<PoisonedPage> listed = await a.ListPoisonedPagesAsync(id, Cancel);
        Assert.Equal(tenAddresses, listed.Select(page => page.GuestPhysicalAddress!.Value));
        Assert.All(listed, page => Assert.Equal(PoisonSource.Kernel, page.Source));
        Assert.Empty(await a.AddPoisonedPagesAsync(id, tenAddresses, Cancel));
    }

    [Fact]
    public async Task A_guest_that_touches_a_poisoned_page_ends_and_its_description_says_why()
    {
        await using var hosts = new PoisonHosts();
        LocalHost a = await hosts.OpenAsync("a", null, Cancel);
        VmDescription vm = await hosts.BootAsync(a, Cancel);
        Guid id = vm.Specification.Id;

        // Every page of the first 32 MiB: the guest's kernel is there, which nobody runs without.
        await a.AddPoisonedPagesAsync(id, [.. Enumerable.Range(256, 7936).Select(page => (long)page * Page)], Cancel);

        VmDescription dead = vm;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        while (dead.State != VmState.Failed || dead.FailureMessage?.Contains("poisoned", StringComparison.Ordinal) != true)
        {
            await Task.Delay(50, limit.Token);
            dead = await a.GetVmAsync(id, Cancel);
        }

        Assert.Contains("SIGBUS", dead.FailureMessage, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_without_RAM_is_refused_and_nothing_is_poisoned()
    {
        await using var hosts = new PoisonHosts();
        LocalHost a = await hosts.OpenAsync("a", null, Cancel);
        VmDescription vm = await hosts.BootAsync(a, Cancel);
        Guid id = vm.Specification.Id;

        MigrationException refused = await Assert.ThrowsAsync<MigrationException>(
            () => a.AddPoisonedPagesAsync(id, [tenAddresses[0], 0xfee0_0000], Cancel));

        Assert.Equal(MigrationErrorReason.InvalidArgument, refused.Reason);
        Assert.Contains("0xfee00000", refused.Message, StringComparison.Ordinal);
        Assert.Empty(await a.ListPoisonedPagesAsync(id, Cancel));
        Assert.Equal(VmState.Running, (await a.GetVmAsync(id, Cancel)).State);
    }
}
