using System.Net;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>A running embedded VM and a destination that waits for it, without hosts around them.</summary>
internal sealed class MigrationPair : IAsyncDisposable
{
    private readonly MigrationListener listener;
    private readonly CancellationTokenSource withdraw = new();

    private MigrationPair(
        MigrationListener listener, IVirtualMachine source, IVirtualMachine destination, DestinationMigration incoming,
        SourceMigration outgoing)
    {
        this.listener = listener;
        Source = source;
        Destination = destination;
        Incoming = incoming;
        Outgoing = outgoing;
    }

    public IVirtualMachine Source { get; }

    public IVirtualMachine Destination { get; }

    public SourceMigration Outgoing { get; }

    public DestinationMigration Incoming { get; }

    /// <param name="guest">What the VM runs.</param>
    /// <param name="memoryBytes">Its RAM.</param>
    /// <param name="vcpus">Its vCPUs.</param>
    /// <param name="options">How to migrate it.</param>
    /// <param name="route">Maps the destination's endpoint to the one the source is told, for a proxy between them.</param>
    /// <param name="cancellationToken">Cancels the set-up.</param>
    /// <param name="fault">Wraps the destination's VM in one that fails.</param>
    public static async Task<MigrationPair> CreateAsync(
        EmbeddedGuest guest, long memoryBytes, int vcpus, MigrationOptions options, Func<IPEndPoint, IPEndPoint>? route,
        CancellationToken cancellationToken, Func<IVirtualMachine, IVirtualMachine>? fault = null)
    {
        var specification = new VmSpecification { Name = "guest", MemoryBytes = memoryBytes, VcpuCount = vcpus, Embedded = guest };
        var hypervisor = new EmbeddedHypervisor();
        ILogger log = Serilog.Core.Logger.None;
        var journal = new MemoryJournal();
        IVirtualMachine source = await hypervisor.StartAsync(specification, cancellationToken);
        IVirtualMachine destination = await hypervisor.PrepareIncomingAsync(specification, StateContents.Devices, cancellationToken);
        var listener = new MigrationListener(new(IPAddress.Loopback, 0), "destination", log, (_, _) => null);
        var request = new IncomingRequest(Guid.NewGuid(), specification, StateContents.Devices, options, "source");
        var incoming = new DestinationMigration(new BareVm(fault is null ? destination : fault(destination)), request, journal, log);
        listener.Register(incoming);
        IPEndPoint endpoint = route is null ? listener.Endpoint : route(listener.Endpoint);
        var offer = new IncomingOffer(
            request.MigrationId, "destination", endpoint.Address.ToString(), endpoint.Port, incoming.Ticket.ToArray());
        var outgoing = new SourceMigration(new BareVm(source), new(specification.Id, offer, StateContents.Devices, options), "source", journal, log);
        return new(listener, source, destination, incoming, outgoing);
    }

    /// <summary>Runs both sides to their ends.</summary>
    public async Task<(MigrationStatus Status, MigrationOutcome Outcome)> RunAsync(CancellationToken cancel)
    {
        await Incoming.BeginAsync(CancellationToken.None);
        await Outgoing.BeginAsync(CancellationToken.None);
        Task<MigrationOutcome> arriving = Incoming.RunAsync(withdraw.Token);
        MigrationStatus status = await Outgoing.RunAsync(cancel);

        // A source that never got through leaves an offer nobody takes up; its host withdraws it.
        if (status.State == MigrationState.RolledBack) await withdraw.CancelAsync();
        return (status, await arriving);
    }

    public async ValueTask DisposeAsync()
    {
        await listener.DisposeAsync();
        await Source.DestroyAsync();
        await Destination.DestroyAsync();
        withdraw.Dispose();
    }
}
