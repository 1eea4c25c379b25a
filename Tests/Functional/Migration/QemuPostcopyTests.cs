using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Tests.Migration;
using Xunit;

namespace VmMigration.Functional.Tests.Migration;

public class QemuPostcopyTests
{
    private static readonly MigrationOptions options = new()
    {
        Postcopy = PostcopyPolicy.AfterFirstPass, VerifyMemory = true, MaxBytesPerSecond = 20_000_000,
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_guest_runs_on_at_the_destination_before_its_memory_is_there_and_gets_all_of_it()
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        Guid id = vm.Specification.Id;
        MigrationStatus started = await MigrationBroker.StartAsync(
            hosts.Source, id, hosts.Destination, options with { MaxBytesPerSecond = 0 }, Cancellation);

        MigrationStatus ended = await hosts.WaitAsync(started.Id, Cancellation);

        Assert.True(ended.State == MigrationState.Completed, $"{ended.ErrorReason}: {ended.ErrorMessage}");
        MigrationResult result = ended.Result!;
        TestContext.Current.TestOutputHelper!.WriteLine($"{result.Postcopy}, downtime {result.Downtime}, parts {result.DowntimeParts}");
        Assert.True(result.MemoryVerified);
        Assert.True(result.Postcopy!.Pages > 0 && result.Postcopy.PagesTouched > 0);
        await QemuHostPair.AssertTicksAsync(hosts.Destination, id, Cancellation);

        // What kept the process's pages away is gone: it can move on, also in this way.
        MigrationStatus back = await MigrationBroker.StartAsync(
            hosts.Destination, id, hosts.Source, options with { MaxBytesPerSecond = 0 }, Cancellation);
        MigrationStatus last = back;
        await foreach (MigrationStatus status in hosts.Destination.WatchMigrationAsync(back.Id, Cancellation)) last = status;
        Assert.True(last.State == MigrationState.Completed, $"{last.ErrorReason}: {last.ErrorMessage}");
        Assert.True(last.Result!.MemoryVerified);
        await QemuHostPair.AssertTicksAsync(hosts.Source, id, Cancellation);
        await hosts.AssertDestinationIsCleanAsync(Cancellation);
    }

    [Fact]
    public async Task A_link_that_breaks_pauses_the_guest_and_resuming_the_migration_lets_it_go_on_verified()
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        Guid id = vm.Specification.Id;
        CuttingProxy? proxy = null;
        MigrationStatus started = await hosts.StartAsync(vm, options, StateContents.Devices, offer =>
        {
            proxy = new(new(System.Net.IPAddress.Parse(offer.Address), offer.Port), long.MaxValue);
            return offer with { Port = proxy.Endpoint.Port };
        }, Cancellation);
        await using CuttingProxy cutting = proxy!;
        const int cuts = 10;
        for (int cut = 0; cut < cuts; cut++)
        {
            await WaitForAsync(hosts.Source, started.Id, MigrationState.Postcopy);
            cutting.CutAfter(Random.Shared.Next(1_000, 800_000));
            MigrationStatus paused = await WaitForAsync(hosts.Source, started.Id, MigrationState.PostcopyPaused);
            Assert.Contains("waits on destination", paused.ErrorMessage, StringComparison.Ordinal);
            await WaitForWaitAsync(hosts.Destination, id);
            MigrationException refusal = await Assert.ThrowsAsync<MigrationException>(
                () => hosts.Source.CancelMigrationAsync(started.Id, Cancellation));
            Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
            Assert.Contains("cannot be cancelled any more", refusal.Message, StringComparison.Ordinal);
            await hosts.Source.ResumeMigrationAsync(started.Id, force: false, Cancellation);
        }

        MigrationStatus ended = await hosts.WaitAsync(started.Id, Cancellation);
        Assert.True(ended.State == MigrationState.Completed, $"{ended.ErrorReason}: {ended.ErrorMessage}");
        TestContext.Current.TestOutputHelper!.WriteLine(ended.Result!.Postcopy!.ToString());
        Assert.Equal(cuts, ended.Result.Postcopy.Interruptions);
        Assert.True(ended.Result.MemoryVerified);
        await QemuHostPair.AssertTicksAsync(hosts.Destination, id, Cancellation);
    }

    [Fact]
    public async Task A_guest_stopped_by_force_in_post_copy_ends_the_migration_and_nothing_is_left_of_it_at_the_source()
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        MigrationStatus started = await MigrationBroker.StartAsync(
            hosts.Source, vm.Specification.Id, hosts.Destination,
            options with { MaxBytesPerSecond = 3_000_000, VerifyMemory = false }, Cancellation);
        await WaitForAsync(hosts.Source, started.Id, MigrationState.Postcopy);
        await Assert.ThrowsAsync<MigrationException>(() => hosts.Destination.PauseVmAsync(vm.Specification.Id, Cancellation));

        await hosts.Destination.StopVmAsync(vm.Specification.Id, force: true, Cancellation);

        MigrationStatus ended = await hosts.WaitAsync(started.Id, Cancellation);
        Assert.Equal(MigrationState.Completed, ended.State);
        Assert.Equal(MigrationErrorReason.VmExited, ended.ErrorReason);
        Assert.Empty(await hosts.Source.ListVmsAsync(Cancellation));
        Assert.Equal(VmState.Stopped, (await hosts.Destination.GetVmAsync(vm.Specification.Id, Cancellation)).State);
    }

    private static async Task<MigrationStatus> WaitForAsync(LocalHost host, Guid migrationId, MigrationState state)
    {
        await foreach (MigrationStatus status in host.WatchMigrationAsync(migrationId, Cancellation))
        {
            if (status.State == state) return status;
            Assert.False(status.HasEnded, $"{status.State}: {status.ErrorReason}: {status.ErrorMessage}");
        }

        throw new InvalidOperationException("The watch ended without an end.");
    }

    private static async Task WaitForWaitAsync(LocalHost host, Guid vmId)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        deadline.CancelAfter(TimeSpan.FromSeconds(30));
        while (true)
        {
            VmDescription vm = await host.GetVmAsync(vmId, deadline.Token);
            if (vm.State == VmState.Paused
                && vm.FailureMessage is { } why && why.Contains("pages of its memory", StringComparison.Ordinal))
            {
                return;
            }

            await Task.Delay(50, deadline.Token);
        }
    }
}
