using System.Net;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>A running embedded VM and a destination that waits for it, without hosts around them.</summary>
internal sealed class MigrationPair : IAsyncDisposable
{
    private readonly MigrationListener listener;
    private readonly LinkCertificate? certificate;
    private readonly CancellationTokenSource withdraw = new();
    private MigrationOutcome? journaled;

    private MigrationPair(
        MigrationListener listener, LinkCertificate? certificate, IVirtualMachine source, IVirtualMachine destination,
        DestinationMigration incoming, SourceMigration outgoing, BareVm destinationPlace, MemoryJournal journal, IncomingOffer offer)
    {
        Offer = offer;
        DestinationPlace = destinationPlace;
        Journal = journal;
        this.listener = listener;
        this.certificate = certificate;
        Source = source;
        Destination = destination;
        Incoming = incoming;
        Outgoing = outgoing;
    }

    public BareVm DestinationPlace { get; }

    public MemoryJournal Journal { get; }

    public IncomingOffer Offer { get; }

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
    /// <param name="sourceFault">Wraps the source's VM likewise.</param>
    /// <param name="change">Makes of the offer the one the source is told.</param>
    /// <param name="security">What the destination demands of the connections.</param>
    public static async Task<MigrationPair> CreateAsync(
        EmbeddedGuest guest, long memoryBytes, int vcpus, MigrationOptions options, Func<IPEndPoint, IPEndPoint>? route,
        CancellationToken cancellationToken, Func<IVirtualMachine, IVirtualMachine>? fault = null,
        Func<IVirtualMachine, IVirtualMachine>? sourceFault = null, LinkSecurity security = LinkSecurity.Plain,
        Func<IncomingOffer, IncomingOffer>? change = null)
    {
        var specification = new VmSpecification { Name = "guest", MemoryBytes = memoryBytes, VcpuCount = vcpus, Embedded = guest };
        var hypervisor = new EmbeddedHypervisor();
        ILogger log = Serilog.Core.Logger.None;
        var journal = new MemoryJournal();
        IVirtualMachine source = await hypervisor.StartAsync(specification, cancellationToken);
        IVirtualMachine destination = await hypervisor.PrepareIncomingAsync(specification, StateContents.Devices, cancellationToken);
        LinkCertificate? certificate = security == LinkSecurity.Tls ? LinkCertificate.Create() : null;
        MigrationPair? pair = null;
        var listener = new MigrationListener(new(IPAddress.Loopback, 0), certificate, "destination", log, (_, _) => pair?.journaled);
        var request = new IncomingRequest(Guid.NewGuid(), specification, StateContents.Devices, options, "source");
        var place = new BareVm(fault is null ? destination : fault(destination));
        var incoming = new DestinationMigration(place, request, journal, log);
        listener.Register(incoming);
        IPEndPoint endpoint = route is null ? listener.Endpoint : route(listener.Endpoint);
        IncomingOffer offer = listener.MakeOffer(incoming) with { Address = endpoint.Address.ToString(), Port = endpoint.Port };
        if (change is not null) offer = change(offer);
        var outgoing = new SourceMigration(
            new BareVm(sourceFault is null ? source : sourceFault(source)),
            new(specification.Id, offer, StateContents.Devices, options), "source", journal, log);
        return pair = new(listener, certificate, source, destination, incoming, outgoing, place, journal, offer);
    }

    /// <summary>Waits until the source says that it stands in this state; fails where it ends before.</summary>
    public async Task<MigrationStatus> WaitForAsync(MigrationState state, CancellationToken cancellationToken)
    {
        await foreach (MigrationStatus status in Outgoing.WatchAsync(cancellationToken))
        {
            if (status.State == state) return status;
            Assert.False(status.HasEnded, $"{status.State}: {status.ErrorMessage}");
        }

        throw new InvalidOperationException("The watch ended without an end.");
    }

    /// <summary>Resumes the post-copy each time its link is broken; returns how often.</summary>
    public async Task<int> ResumeAlwaysAsync(CancellationToken cancellationToken)
    {
        int resumed = 0;
        await foreach (MigrationStatus status in Outgoing.WatchAsync(cancellationToken))
        {
            if (status.State != MigrationState.PostcopyPaused || Outgoing.Status.State != MigrationState.PostcopyPaused) continue;
            try
            {
                await Outgoing.ResumeAsync(cancellationToken);
                resumed++;
            }
            catch (MigrationException error) when (error.Reason is MigrationErrorReason.ConnectionLost)
            {
                // Cut while it was taken up again: the link has to be tried until it holds.
                await Task.Delay(20, cancellationToken);
                if (Outgoing.Status.State == MigrationState.PostcopyPaused) await Outgoing.ResumeAsync(cancellationToken);
            }
        }

        return resumed;
    }

    /// <summary>The destination's host lets nobody in to the migration any more.</summary>
    /// <param name="outcome">What it answers as from its journal; null where it knows nothing of the migration.</param>
    public void CloseEntrance(MigrationOutcome? outcome)
    {
        journaled = outcome;
        listener.Unregister(Incoming.MigrationId);
    }

    /// <summary>Runs both sides to their ends.</summary>
    /// <param name="cancel">Cancels the migration at the source.</param>
    /// <param name="closing">Closes both hosts.</param>
    public async Task<(MigrationStatus Status, MigrationOutcome Outcome)> RunAsync(
        CancellationToken cancel, CancellationToken closing = default)
    {
        await Incoming.BeginAsync(CancellationToken.None);
        await Outgoing.BeginAsync(CancellationToken.None);
        Task<MigrationOutcome> arriving = Incoming.RunAsync(withdraw.Token, closing);
        MigrationStatus status = await Outgoing.RunAsync(cancel, closing);

        // A source that never got through leaves an offer nobody takes up; its host withdraws it.
        if (status.State == MigrationState.RolledBack) await withdraw.CancelAsync();
        return (status, await arriving);
    }

    public async ValueTask DisposeAsync()
    {
        await listener.DisposeAsync();
        await Source.DestroyAsync();
        await Destination.DestroyAsync();
        certificate?.Dispose();
        withdraw.Dispose();
    }
}
