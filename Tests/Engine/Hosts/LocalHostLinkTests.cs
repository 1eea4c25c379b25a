using System.Net;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

/// <summary>How the demands of two hosts come together, from the preflight check to the journal.</summary>
public class LocalHostLinkTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(LinkSecurity.Plain, LinkSecurity.Plain)]
    [InlineData(LinkSecurity.Plain, LinkSecurity.Tls)]
    [InlineData(LinkSecurity.Tls, LinkSecurity.Tls)]
    public async Task The_destinations_demand_decides_and_stands_in_the_description_the_check_the_result_and_the_journal(
        LinkSecurity demanded, LinkSecurity offered)
    {
        using var scratch = new ScratchDirectory();
        var options = new LocalHostOptions { Name = "a", StateDirectory = scratch.Path, LinkSecurity = demanded };
        Guid id;
        await using (LocalHost source = await LocalHost.OpenAsync(options, Cancel))
        await using (LocalHost destination = await LocalHost.OpenAsync(new() { Name = "b", LinkSecurity = offered }, Cancel))
        {
            Assert.Equal(offered, (await destination.DescribeAsync(Cancel)).LinkSecurity);
            VmDescription vm = await StartVmAsync(source);
            PreflightReport report = await MigrationBroker.CheckAsync(source, vm.Specification.Id, destination, new(), Cancel);
            PreflightFinding finding = Assert.Single(report.Findings, finding => finding.Check == "LinkSecurity");
            Assert.Equal(PreflightSeverity.Information, finding.Severity);
            Assert.Contains(offered == LinkSecurity.Tls ? "TLS 1.3" : "plain text", finding.Message, StringComparison.Ordinal);

            MigrationStatus status = await MigrationBroker.StartAsync(
                source, vm.Specification.Id, destination, new() { VerifyMemory = true }, Cancel);
            await foreach (MigrationStatus next in source.WatchMigrationAsync(status.Id, Cancel)) status = next;
            Assert.Equal(MigrationState.Completed, status.State);
            Assert.Equal(offered, status.LinkSecurity);
            Assert.Equal(offered, status.Result!.LinkSecurity);
            id = status.Id;
        }

        await using LocalHost again = await LocalHost.OpenAsync(options, Cancel);
        Assert.Equal(offered, (await again.GetMigrationAsync(id, Cancel)).LinkSecurity);
    }

    [Fact]
    public async Task A_source_that_demands_TLS_keeps_its_VM_from_a_destination_of_plain_text_and_says_so_before()
    {
        await using LocalHost source = await LocalHost.OpenAsync(new() { Name = "a", LinkSecurity = LinkSecurity.Tls }, Cancel);
        await using LocalHost destination = await LocalHost.OpenAsync(new() { Name = "b", LinkSecurity = LinkSecurity.Plain }, Cancel);
        VmDescription vm = await StartVmAsync(source);

        PreflightReport report = await MigrationBroker.CheckAsync(source, vm.Specification.Id, destination, new(), Cancel);
        PreflightFinding finding = Assert.Single(report.Findings, finding => finding.Severity == PreflightSeverity.Error);
        Assert.Equal("LinkSecurity", finding.Check);
        Assert.Contains("LinkSecurity Tls", finding.RecommendedAction, StringComparison.Ordinal);
        var preflight = await Assert.ThrowsAsync<MigrationException>(
            () => MigrationBroker.StartAsync(source, vm.Specification.Id, destination, new(), Cancel));
        Assert.Equal(MigrationErrorReason.PreflightFailed, preflight.Reason);

        // Whoever passes the check over is refused by the source itself.
        var request = new IncomingRequest(Guid.NewGuid(), vm.Specification, StateContents.Devices, new(), "a");
        IncomingOffer offer = await destination.PrepareIncomingAsync(request, Cancel);
        var refusal = await Assert.ThrowsAsync<MigrationException>(
            () => source.StartMigrationAsync(new(vm.Specification.Id, offer, StateContents.Devices, new()), Cancel));
        Assert.Equal(MigrationErrorReason.LinkRefused, refusal.Reason);
        await destination.WithdrawIncomingAsync(offer.MigrationId, Cancel);
        Assert.Equal(VmState.Running, (await source.GetVmAsync(vm.Specification.Id, Cancel)).State);
        Assert.Empty(await source.ListMigrationsAsync(Cancel));
    }

    [Fact]
    public async Task A_destination_opened_again_on_its_directory_answers_the_source_that_kept_its_offer()
    {
        using var scratch = new ScratchDirectory();
        var options = new LocalHostOptions { Name = "b", StateDirectory = scratch.Path, LinkSecurity = LinkSecurity.Tls };
        await using LocalHost source = await LocalHost.OpenAsync(new() { Name = "a" }, Cancel);
        VmDescription vm = await StartVmAsync(source);
        IncomingOffer offer;
        await using (LocalHost destination = await LocalHost.OpenAsync(options, Cancel))
        {
            var request = new IncomingRequest(Guid.NewGuid(), vm.Specification, StateContents.Devices, new(), "a");
            offer = await destination.PrepareIncomingAsync(request, Cancel);
            await destination.WithdrawIncomingAsync(offer.MigrationId, Cancel);
        }

        await using LocalHost again = await LocalHost.OpenAsync(options, Cancel);
        int port = IPEndPoint.Parse((await again.DescribeAsync(Cancel)).Endpoint).Port;
        Assert.Equal(MigrationOutcome.SourceOwns, await new MigrationDialer(offer with { Port = port }).AskOutcomeAsync(Cancel));
    }

    private static async Task<VmDescription> StartVmAsync(LocalHost host)
    {
        VmDescription vm = await host.CreateVmAsync(SampleVms.Embedded(), Cancel);
        return await host.StartVmAsync(vm.Specification.Id, Cancel);
    }
}
