using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts.Remote;

/// <summary>Two local hosts, each behind services of its own, and a client of both.</summary>
internal sealed class RemoteHostPair : IAsyncDisposable
{
    private readonly ScratchDirectory directory;

    private RemoteHostPair(
        ScratchDirectory directory, ServedHost sourceAgent, ServedHost destinationAgent, RemoteHost source, RemoteHost destination)
    {
        this.directory = directory;
        SourceAgent = sourceAgent;
        DestinationAgent = destinationAgent;
        Source = source;
        Destination = destination;
    }

    public ServedHost SourceAgent { get; }

    public ServedHost DestinationAgent { get; }

    public RemoteHost Source { get; }

    public RemoteHost Destination { get; }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<RemoteHostPair> OpenAsync()
    {
        var directory = new ScratchDirectory();
        ServedHost sourceAgent = await ServedHost.StartAsync(await LocalHost.OpenAsync(new() { Name = "a" }, Cancel), directory);
        ServedHost destinationAgent = await ServedHost.StartAsync(await LocalHost.OpenAsync(new() { Name = "b" }, Cancel), directory);
        return new(directory, sourceAgent, destinationAgent, await sourceAgent.ConnectAsync(), await destinationAgent.ConnectAsync());
    }

    /// <summary>A running VM at the source that writes all the time.</summary>
    public async Task<VmDescription> StartVmAsync(string name = "vm1")
    {
        var specification = new VmSpecification
        {
            Name = name,
            MemoryBytes = 8 << 20,
            VcpuCount = 2,
            Embedded = new() { Program = GuestProgramKind.HotSetWriter, StepsPerSecond = 20_000 },
        };
        await Source.CreateVmAsync(specification, Cancel);
        return await Source.StartVmAsync(specification.Id, Cancel);
    }

    /// <summary>Starts a migration that is still copying for some seconds.</summary>
    public async Task<MigrationStatus> StartSlowMigrationAsync()
    {
        VmDescription vm = await StartVmAsync();
        return await MigrationBroker.StartAsync(
            Source, vm.Specification.Id, Destination, new() { MaxBytesPerSecond = 4 << 20 }, Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        await Destination.DisposeAsync();
        await SourceAgent.DisposeAsync();
        await DestinationAgent.DisposeAsync();
        directory.Dispose();
    }
}
