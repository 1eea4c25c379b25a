using System.Net;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Paths;
using Xunit;

namespace VmMigration.Engine.Tests.Paths;

/// <summary>A host in each network of a lab.</summary>
internal sealed class LabHosts : IAsyncDisposable
{
    private LabHosts(PathLab lab, LocalHost source, LocalHost gateway, LocalHost destination)
    {
        Lab = lab;
        Source = source;
        Gateway = gateway;
        Destination = destination;
    }

    public PathLab Lab { get; }

    public LocalHost Source { get; }

    public LocalHost Gateway { get; }

    public LocalHost Destination { get; }

    public static async Task<LabHosts> OpenAsync(bool forwarded, Func<LocalHostOptions, LocalHostOptions>? change = null)
    {
        PathLab lab = await PathLab.CreateAsync(forwarded);
        return new(
            lab,
            await OpenAsync("source", lab.Source, [PathLab.SourceAddress], change),
            await OpenAsync("gateway", lab.Gateway, [PathLab.GatewayToSource, PathLab.GatewayToDestination], change),
            await OpenAsync("destination", lab.Destination, [PathLab.DestinationAddress], change));
    }

    public static Task<LocalHost> OpenAsync(
        string name, PathNetwork network, IReadOnlyList<IPAddress> addresses, Func<LocalHostOptions, LocalHostOptions>? change = null)
    {
        var options = new LocalHostOptions { Name = name, Network = network, PathAddresses = addresses, PathGateway = name == "gateway" };
        return LocalHost.OpenAsync(change?.Invoke(options) ?? options, TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        await Destination.DisposeAsync();
        await Gateway.DisposeAsync();
        Lab.Dispose();
    }
}
