using System.Diagnostics;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Tests.Hosts;
using Xunit;

namespace VmMigration.Engine.Tests.Paths;

/// <summary>What is left of a path when its engine is killed with SIGKILL.</summary>
public class PathCrashTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_is_left_of_an_overlay_whose_engine_is_killed()
    {
        using PathLab lab = await PathLab.CreateAsync(forwarded: true);
        using var state = new ScratchDirectory();
        string before = await PathLab.DescribeAsync(lab.Source);

        await KillAsync(await PathHolderProcess.StartAsync(lab.Source, state.Path, PathRequests.OverlaySource, Cancel));

        await PathLab.AssertAsBeforeAsync(before, lab.Source);
        await using LocalHost again = await ReopenAsync(lab.Source, state);
        Assert.Empty(await again.ListPathsAsync(Cancel));
    }

    [Fact]
    public async Task A_route_that_a_killed_engine_left_goes_when_its_host_is_opened_again()
    {
        using PathLab lab = await PathLab.CreateAsync(forwarded: false);
        await AssertLeftoverGoesAsync(lab.Source, PathRequests.NatSource);
    }

    [Fact]
    public async Task Rules_and_forwarding_that_a_killed_gateway_left_go_when_its_host_is_opened_again()
    {
        using PathLab lab = await PathLab.CreateAsync(forwarded: false);
        await AssertLeftoverGoesAsync(lab.Gateway, PathRequests.NatGateway);
    }

    [Fact]
    public async Task A_leftover_that_somebody_else_removed_is_no_failure()
    {
        using PathLab lab = await PathLab.CreateAsync(forwarded: false);
        using var state = new ScratchDirectory();
        MobilityPathRequest request = PathRequests.NatSource;
        await KillAsync(await PathHolderProcess.StartAsync(lab.Source, state.Path, request, Cancel));
        await PathLab.IpAsync(lab.Source, $"route delete {request.DestinationVirtualAddress}/32\n");

        await using LocalHost again = await ReopenAsync(lab.Source, state);

        Assert.Empty(await again.ListPathsAsync(Cancel));
    }

    private static async Task AssertLeftoverGoesAsync(PathNetwork network, MobilityPathRequest request)
    {
        using var state = new ScratchDirectory();
        string before = await PathLab.DescribeAsync(network);
        await KillAsync(await PathHolderProcess.StartAsync(network, state.Path, request, Cancel));
        Assert.NotEqual(before, await PathLab.DescribeAsync(network));

        await using LocalHost again = await ReopenAsync(network, state);

        Assert.Empty(await again.ListPathsAsync(Cancel));
        await PathLab.AssertAsBeforeAsync(before, network);
    }

    private static Task<LocalHost> ReopenAsync(PathNetwork network, ScratchDirectory state) =>
        LabHosts.OpenAsync("victim", network, [], options => options with { StateDirectory = state.Path });

    private static async Task KillAsync(Process child)
    {
        using (child)
        {
            child.Kill();
            await child.WaitForExitAsync(Cancel);
        }
    }
}
