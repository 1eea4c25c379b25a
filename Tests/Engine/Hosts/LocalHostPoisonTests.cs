using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

/// <summary>Poisoned pages of embedded VMs on hosts of their own. The guests write the lower half of their memory only.</summary>
public sealed class LocalHostPoisonTests
{
    private const int Page = GuestMemory.PageSizeBytes;
    private const long MemoryBytes = 64L << 20;
    private const long Untouched = MemoryBytes / 2;

    private static readonly MigrationOptions verified = new() { VerifyMemory = true };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Poisoned_pages_stay_poisoned_at_the_same_addresses_over_two_migrations_and_the_guest_runs()
    {
        await using LocalHost a = await OpenAsync("a");
        await using LocalHost b = await OpenAsync("b");
        await using LocalHost c = await OpenAsync("c");
        Guid id = await StartAsync(a);
        long[] addresses = [Untouched, Untouched + Page, Untouched + (513 * Page), MemoryBytes - Page];
        IReadOnlyList<PoisonedPage> added = await a.AddPoisonedPagesAsync(id, [.. addresses, addresses[0] + 17], Cancel);
        Assert.Equal(addresses, added.Select(page => page.GuestPhysicalAddress!.Value));
        Assert.Equal(VmState.Running, (await a.GetVmAsync(id, Cancel)).State);
        Assert.Empty(await a.AddPoisonedPagesAsync(id, addresses, Cancel));

        foreach ((LocalHost source, LocalHost destination) in new[] { (a, b), (b, c) })
        {
            MigrationStatus status = await EndAsync(source, await MigrationBroker.StartAsync(source, id, destination, verified, Cancel));
            Assert.True(status.State == MigrationState.Completed, status.ErrorMessage);
            Assert.True(status.Result!.MemoryVerified);
            Assert.Equal(addresses, status.Result.PoisonedPages.Select(page => page.GuestPhysicalAddress!.Value));
            IReadOnlyList<PoisonedPage> listed = await destination.ListPoisonedPagesAsync(id, Cancel);
            Assert.Equal(added.Select(page => (page.Page, page.Since)), listed.Select(page => (page.Page, page.Since)));
            Assert.All(listed, page => Assert.Equal((PoisonSource.Carried, PoisonSource.Injected), (page.Source, page.OriginalSource)));
            Assert.Equal(VmState.Running, (await destination.GetVmAsync(id, Cancel)).State);
        }
    }

    [Fact]
    public async Task A_page_can_be_poisoned_while_the_VM_migrates_and_arrives_poisoned_in_a_VM_that_runs()
    {
        await using LocalHost a = await OpenAsync("a");
        await using LocalHost b = await OpenAsync("b");

        // It fills its half of the memory once, as fast as it goes: at this rate the first pass takes most of a second.
        Guid id = await StartAsync(
            a, new() { Program = GuestProgramKind.SequentialWriter, WorkingSetBytes = Untouched, HaltAfterSteps = Untouched / 8 });
        MigrationStatus started = await MigrationBroker.StartAsync(a, id, b, verified with { MaxBytesPerSecond = 40_000_000 }, Cancel);
        await foreach (MigrationStatus status in a.WatchMigrationAsync(started.Id, Cancel))
        {
            Assert.False(status.HasEnded, status.ErrorMessage);
            if (status.State == MigrationState.Precopy && status.Progress.PagesDone > 0) break;
        }

        await a.AddPoisonedPagesAsync(id, [Untouched + (5 * Page)], Cancel);
        MigrationStatus ended = await EndAsync(a, started);

        Assert.True(ended.State == MigrationState.Completed, ended.ErrorMessage);
        Assert.True(ended.Result!.MemoryVerified);
        Assert.Equal(Untouched + (5 * Page), Assert.Single(await b.ListPoisonedPagesAsync(id, Cancel)).GuestPhysicalAddress);
        Assert.Equal(VmState.Running, (await b.GetVmAsync(id, Cancel)).State);
    }

    [Fact]
    public async Task A_paused_VM_stays_paused_when_pages_of_it_are_poisoned()
    {
        await using LocalHost a = await OpenAsync("a");
        Guid id = await StartAsync(a);
        await a.PauseVmAsync(id, Cancel);
        await a.AddPoisonedPagesAsync(id, [Untouched], Cancel);
        Assert.Equal(VmState.Paused, (await a.GetVmAsync(id, Cancel)).State);
        Assert.Single(await a.ListPoisonedPagesAsync(id, Cancel));
    }

    [Fact]
    public async Task An_address_outside_RAM_is_InvalidArgument_and_poisons_nothing()
    {
        await using LocalHost a = await OpenAsync("a");
        Guid id = await StartAsync(a);
        var refused = await Assert.ThrowsAsync<MigrationException>(() => a.AddPoisonedPagesAsync(id, [Untouched, MemoryBytes], Cancel));
        Assert.Equal(MigrationErrorReason.InvalidArgument, refused.Reason);
        Assert.Contains("0x4000000", refused.Message, StringComparison.Ordinal);
        Assert.Empty(await a.ListPoisonedPagesAsync(id, Cancel));
    }

    [Fact]
    public async Task A_stopped_VM_has_no_pages_to_poison()
    {
        await using LocalHost a = await OpenAsync("a");
        Guid id = await StartAsync(a);
        await a.StopVmAsync(id, force: true, Cancel);
        var refused = await Assert.ThrowsAsync<MigrationException>(() => a.AddPoisonedPagesAsync(id, [Untouched], Cancel));
        Assert.Equal(MigrationErrorReason.InvalidState, refused.Reason);
    }

    [Fact]
    public async Task During_a_switchover_no_page_is_poisoned_and_the_migration_can_end_meanwhile()
    {
        await using TestHost host = await TestHost.OpenAsync();
        VmSpecification specification = Specify();
        await host.Host.CreateVmAsync(specification, Cancel);
        await host.Host.StartVmAsync(specification.Id, Cancel);
        OutgoingVm migrating = await host.Parts.Transfers.TakeOutgoingAsync(specification.Id, Guid.NewGuid(), "there", Cancel);
        AsyncLock.Holder switchover = await migrating.RunState.EnterAsync(Cancel);
        Task<IReadOnlyList<PoisonedPage>> adding = host.Host.AddPoisonedPagesAsync(specification.Id, [Untouched], Cancel);
        await migrating.Machine.PauseAsync(Cancel);
        await migrating.ReturnAsync();
        Assert.False(adding.IsCompleted);
        Assert.Empty(await host.Host.ListPoisonedPagesAsync(specification.Id, Cancel));
        switchover.Dispose();
        Assert.Single(await adding);
        Assert.Equal(VmState.Paused, (await host.Host.GetVmAsync(specification.Id, Cancel)).State);
    }

    [Fact]
    public async Task While_memory_of_a_VM_is_still_missing_no_page_of_it_is_poisoned()
    {
        await using LocalHost a = await OpenAsync("a");
        await using LocalHost b = await OpenAsync("b");
        Guid id = await StartAsync(
            a, new() { Program = GuestProgramKind.HotSetWriter, WorkingSetBytes = Untouched / 2, StepsPerSecond = 2_000_000 });
        MigrationStatus started = await MigrationBroker.StartAsync(
            a, id, b, verified with { Postcopy = PostcopyPolicy.AfterFirstPass, MaxBytesPerSecond = 10_000_000 }, Cancel);
        bool refused = false;
        await foreach (MigrationStatus status in a.WatchMigrationAsync(started.Id, Cancel))
        {
            if (status.State != MigrationState.Postcopy || refused) continue;
            var error = await Assert.ThrowsAsync<MigrationException>(() => b.AddPoisonedPagesAsync(id, [Untouched], Cancel));
            Assert.Equal(MigrationErrorReason.InvalidState, error.Reason);
            refused = true;
        }

        Assert.True(refused);
        MigrationStatus ended = await a.GetMigrationAsync(started.Id, Cancel);
        Assert.True(ended.State == MigrationState.Completed && ended.Result!.MemoryVerified, ended.ErrorMessage);
        Assert.Single(await b.AddPoisonedPagesAsync(id, [Untouched], Cancel));
        Assert.Equal(VmState.Running, (await b.GetVmAsync(id, Cancel)).State);
    }

    private static Task<LocalHost> OpenAsync(string name) => LocalHost.OpenAsync(new() { Name = name }, Cancel);

    private static VmSpecification Specify(EmbeddedGuest? guest = null) => new()
    {
        Name = "guest",
        MemoryBytes = MemoryBytes,
        Embedded = guest ?? new() { Program = GuestProgramKind.SequentialWriter, WorkingSetBytes = Untouched, StepsPerSecond = 20_000 },
    };

    private static async Task<Guid> StartAsync(LocalHost host, EmbeddedGuest? guest = null)
    {
        VmSpecification specification = Specify(guest);
        await host.CreateVmAsync(specification, Cancel);
        await host.StartVmAsync(specification.Id, Cancel);
        return specification.Id;
    }

    private static async Task<MigrationStatus> EndAsync(LocalHost source, MigrationStatus status)
    {
        await foreach (MigrationStatus next in source.WatchMigrationAsync(status.Id, Cancel)) status = next;
        return status;
    }
}
