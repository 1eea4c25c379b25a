using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Migration;
using Xunit;

namespace VmMigration.Functional.Tests.Migration;

/// <summary>Linux guests that travel inside TLS.</summary>
public class QemuLinkTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(PostcopyPolicy.Never, false)]
    [InlineData(PostcopyPolicy.AfterFirstPass, false)]
    [InlineData(PostcopyPolicy.Never, true)]
    public async Task A_linux_guest_moves_inside_TLS_whichever_way_its_memory_travels(PostcopyPolicy postcopy, bool byHypervisor)
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation, security: LinkSecurity.Tls);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        var options = new MigrationOptions { VerifyMemory = true, Postcopy = postcopy, ForceHypervisorMigration = byHypervisor };

        // QEMU 7.2's own migration loses writes of a guest that runs under TCG, whatever the link.
        if (byHypervisor) await hosts.Source.PauseVmAsync(vm.Specification.Id, Cancellation);
        MigrationStatus started = await MigrationBroker.StartAsync(
            hosts.Source, vm.Specification.Id, hosts.Destination, options, Cancellation);
        MigrationStatus ended = await hosts.WaitAsync(started.Id, Cancellation);

        Assert.True(ended.State == MigrationState.Completed, $"{ended.ErrorReason}: {ended.ErrorMessage}");
        Assert.Equal(LinkSecurity.Tls, ended.Result!.LinkSecurity);
        Assert.True(ended.Result.MemoryVerified);
        Assert.Equal(postcopy == PostcopyPolicy.AfterFirstPass, ended.Result.Postcopy is not null);
        if (byHypervisor) await hosts.Destination.ResumeVmAsync(vm.Specification.Id, Cancellation);
        await QemuHostPair.AssertTicksAsync(hosts.Destination, vm.Specification.Id, Cancellation);
    }

    [Fact]
    public async Task A_TLS_link_that_breaks_in_a_postcopy_is_taken_up_again_with_the_memory_whole()
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation, security: LinkSecurity.Tls);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        var options = new MigrationOptions
        {
            VerifyMemory = true, Postcopy = PostcopyPolicy.AfterFirstPass, MaxBytesPerSecond = 100_000_000,
        };
        CuttingProxy? proxy = null;
        MigrationStatus started = await hosts.StartAsync(vm, options, StateContents.Devices, offer =>
        {
            proxy = new(new(System.Net.IPAddress.Parse(offer.Address), offer.Port), long.MaxValue);
            return offer with { Port = proxy.Endpoint.Port };
        }, Cancellation);
        await using CuttingProxy cutting = proxy!;
        int interruptions = 0;
        MigrationStatus? last = null;
        await foreach (MigrationStatus status in hosts.Source.WatchMigrationAsync(started.Id, Cancellation))
        {
            last = status;
            if (status.State == MigrationState.Postcopy && interruptions == 0) cutting.CutAfter(100_000);
            if (status.State != MigrationState.PostcopyPaused) continue;
            interruptions++;
            await hosts.Source.ResumeMigrationAsync(started.Id, force: false, Cancellation);
        }

        Assert.True(last!.State == MigrationState.Completed, $"{last.ErrorReason}: {last.ErrorMessage}");
        Assert.True(interruptions > 0, "nothing was cut");
        Assert.True(last.Result!.MemoryVerified);
        await QemuHostPair.AssertTicksAsync(hosts.Destination, vm.Specification.Id, Cancellation);
    }
}
