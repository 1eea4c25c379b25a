using System.Net;
using System.Net.Sockets;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Protocol;

/// <summary>What somebody can do with the opening bytes of connections that were recorded on the way, or with a ticket that was used.</summary>
public sealed class TicketReplayTests : IAsyncDisposable
{
    private readonly LogLines lines = new();
    private readonly LinkCertificate certificate = LinkCertificate.Create();
    private readonly List<MigrationListener> listeners = [];
    private readonly ILogger log;

    public TicketReplayTests() => log = new LoggerConfiguration().MinimumLevel.Verbose().WriteTo.Sink(lines).CreateLogger();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        foreach (MigrationListener listener in listeners) await listener.DisposeAsync();
        certificate.Dispose();
    }

    [Fact]
    public async Task A_recorded_plain_hello_lets_nobody_in_a_second_time_while_the_migration_runs_or_after_it()
    {
        (MigrationListener listener, DestinationMigration migration) = await ListenAsync(LinkSecurity.Plain);
        List<byte[]> recorded = [];
        await using var proxy = new InspectingProxy(listener.Endpoint, (_, towards, offset, bytes) =>
        {
            if (!towards || offset != 0) return;
            lock (recorded) recorded.Add(bytes[..Hello.SizeBytes].ToArray());
        });
        var dialer = new MigrationDialer(listener.MakeOffer(migration) with { Port = proxy.Endpoint.Port });
        Task<MigrationOutcome> arriving = migration.RunAsync(Cancel);
        await using (ControlConnection control = await dialer.ConnectControlAsync(ConnectionRole.Control, Cancel))
        {
            await StartAsync(control, 2);
            using DataConnection first = await Task.Run(() => dialer.ConnectData(0, Cancel), Cancel);
            using DataConnection second = await Task.Run(() => dialer.ConnectData(1, Cancel), Cancel);
            Assert.Equal(3, recorded.Count);
            foreach (byte[] hello in recorded) await AssertRefusedAsync(listener, hello);
        }

        Assert.Equal(MigrationOutcome.SourceOwns, await arriving);
        foreach (byte[] hello in recorded) await AssertRefusedAsync(listener, hello);
        listener.Unregister(migration.MigrationId);
        foreach (byte[] hello in recorded) await AssertRefusedAsync(listener, hello);
    }

    [Fact]
    public async Task A_ticket_that_was_used_opens_no_second_connection_of_its_kind_inside_TLS()
    {
        (MigrationListener listener, DestinationMigration migration) = await ListenAsync(LinkSecurity.Tls);
        var dialer = new MigrationDialer(listener.MakeOffer(migration));
        Task<MigrationOutcome> arriving = migration.RunAsync(Cancel);
        await using (ControlConnection control = await dialer.ConnectControlAsync(ConnectionRole.Control, Cancel))
        {
            await StartAsync(control, 2);
            using DataConnection first = await Task.Run(() => dialer.ConnectData(0, Cancel), Cancel);
            await AssertTicketRefusedAsync(() => dialer.ConnectControlAsync(ConnectionRole.Control, Cancel));
            await AssertTicketRefusedAsync(() => Task.Run(() => dialer.ConnectData(0, Cancel), Cancel));
            await AssertTicketRefusedAsync(() => Task.Run(() => dialer.ConnectData(2, Cancel), Cancel));
            await AssertTicketRefusedAsync(() => dialer.ConnectControlAsync(ConnectionRole.Recovery, Cancel));
            using DataConnection second = await Task.Run(() => dialer.ConnectData(1, Cancel), Cancel);
        }

        Assert.Equal(MigrationOutcome.SourceOwns, await arriving);
        await AssertTicketRefusedAsync(() => dialer.ConnectControlAsync(ConnectionRole.Control, Cancel));
        await AssertTicketRefusedAsync(() => Task.Run(() => dialer.ConnectData(0, Cancel), Cancel));
        await AssertTicketRefusedAsync(() => dialer.ConnectControlAsync(ConnectionRole.Recovery, Cancel));
        listener.Unregister(migration.MigrationId);
        await AssertTicketRefusedAsync(() => dialer.ConnectControlAsync(ConnectionRole.Control, Cancel));
        await AssertTicketRefusedAsync(() => dialer.AskOutcomeAsync(Cancel));
    }

    [Fact]
    public async Task A_recorded_TLS_connection_does_not_hold_the_ticket_and_replayed_gets_nowhere()
    {
        (MigrationListener listener, DestinationMigration migration) = await ListenAsync(LinkSecurity.Tls);
        using var recorded = new MemoryStream();
        await using var proxy = new InspectingProxy(listener.Endpoint, (_, towards, _, bytes) =>
        {
            if (!towards) return;
            lock (recorded) recorded.Write(bytes.Span);
        });
        var dialer = new MigrationDialer(listener.MakeOffer(migration) with { Port = proxy.Endpoint.Port });
        Task<MigrationOutcome> arriving = migration.RunAsync(Cancel);
        await using (await dialer.ConnectControlAsync(ConnectionRole.Control, Cancel))
        {
            byte[] bytes;
            lock (recorded) bytes = recorded.ToArray();
            Assert.True(bytes.Length > Hello.SizeBytes);
            Assert.True(bytes.AsSpan().IndexOf(migration.Ticket.Span) < 0, "the ticket went over the wire in plain text");
            Assert.True(bytes.AsSpan().IndexOf(migration.MigrationId.ToByteArray()) < 0, "the migration's id did");

            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(listener.Endpoint, Cancel);
            await socket.SendAsync(bytes, Cancel);
            socket.Shutdown(SocketShutdown.Send);
            await DrainAsync(socket);
            for (int i = 0; i < 200 && lines.Count("Refused a connection") == 0; i++) await Task.Delay(20, Cancel);
            Assert.Equal(1, lines.Count("Refused a connection"));
            Assert.Equal(1, lines.Count(nameof(MigrationErrorReason.LinkRefused)));
        }

        Assert.Equal(MigrationOutcome.SourceOwns, await arriving);
    }

    [Fact]
    public async Task What_journals_keep_of_a_ticket_asks_for_the_outcome_and_opens_nothing_else()
    {
        (MigrationListener listener, DestinationMigration migration) = await ListenAsync(LinkSecurity.Tls);
        IncomingOffer offer = listener.MakeOffer(migration);
        byte[] kept = Hello.OutcomeTicketOf(offer.Ticket);
        var dialer = new MigrationDialer(offer with { Ticket = kept });
        Assert.Equal(MigrationOutcome.Pending, await dialer.AskOutcomeAsync(kept, Cancel));
        await AssertTicketRefusedAsync(() => dialer.ConnectControlAsync(ConnectionRole.Control, Cancel));
        await AssertTicketRefusedAsync(() => dialer.ConnectControlAsync(ConnectionRole.Recovery, Cancel));
        await AssertTicketRefusedAsync(() => Task.Run(() => dialer.ConnectData(0, Cancel), Cancel));
        await AssertTicketRefusedAsync(() => new MigrationDialer(offer).AskOutcomeAsync(offer.Ticket, Cancel));
        Task<MigrationOutcome> arriving = migration.RunAsync(Cancel);
        await using (await new MigrationDialer(offer).ConnectControlAsync(ConnectionRole.Control, Cancel))
        {
        }

        Assert.Equal(MigrationOutcome.SourceOwns, await arriving);
    }

    [Theory]
    [InlineData(LinkSecurity.Plain)]
    [InlineData(LinkSecurity.Tls)]
    public async Task No_log_line_of_either_side_holds_the_ticket(LinkSecurity security)
    {
        (MigrationListener listener, DestinationMigration migration) = await ListenAsync(security);
        byte[] ticket = migration.Ticket.ToArray();
        var dialer = new MigrationDialer(listener.MakeOffer(migration));
        Task<MigrationOutcome> arriving = migration.RunAsync(Cancel);
        await using (await dialer.ConnectControlAsync(ConnectionRole.Control, Cancel))
        {
            await AssertTicketRefusedAsync(() => dialer.ConnectControlAsync(ConnectionRole.Control, Cancel));
            log.Information("A log that destructures the offer: {@Offer} {Plain}", dialer.Offer.ToString(), dialer.Offer);
        }

        await arriving;
        Assert.NotEmpty(lines.All);
        foreach (string form in new[] { Convert.ToHexString(ticket), Convert.ToHexStringLower(ticket), Convert.ToBase64String(ticket) })
        {
            Assert.Equal(0, lines.Count(form));
        }
    }

    private static async Task StartAsync(ControlConnection control, int channels)
    {
        await control.SendAsync(
            FrameType.Start, new(channels, 2 << 20, false), ControlMessages.Default.StartMessage, Cancel);
        (await control.ReceiveAsync(Cancel)).Expect(FrameType.Started);
    }

    private static async Task AssertTicketRefusedAsync(Func<Task> open)
    {
        MigrationException refusal = await Assert.ThrowsAsync<MigrationException>(open);
        Assert.Equal(MigrationErrorReason.TicketRefused, refusal.Reason);
    }

    private static async Task AssertRefusedAsync(MigrationListener listener, byte[] hello)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.Endpoint, Cancel);
        await using var connection = new ControlConnection(LinkTransport.Plain(socket));
        await socket.SendAsync(hello, Cancel);
        ControlFrame frame = await connection.ReceiveAsync(Cancel);
        Assert.Equal(FrameType.Refused, frame.Type);
        Assert.Equal(MigrationErrorReason.TicketRefused, frame.Read(ControlMessages.Default.FailureMessage).Reason);
    }

    private static async Task DrainAsync(Socket socket)
    {
        byte[] buffer = new byte[4096];
        try
        {
            while (await socket.ReceiveAsync(buffer, Cancel) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // Reset: the destination has hung up, which is what is waited for.
        }
    }

    private async Task<(MigrationListener Listener, DestinationMigration Migration)> ListenAsync(LinkSecurity security)
    {
        var listener = new MigrationListener(
            new(IPAddress.Loopback, 0), security == LinkSecurity.Tls ? certificate : null, "destination", log, (_, _) => null);
        listeners.Add(listener);
        var specification = new VmSpecification
        {
            Name = "guest", MemoryBytes = 2 << 20, Embedded = new() { Program = GuestProgramKind.Idle },
        };
        IVirtualMachine vm = await new EmbeddedHypervisor().PrepareIncomingAsync(specification, StateContents.Devices, Cancel);
        var request = new IncomingRequest(Guid.NewGuid(), specification, StateContents.Devices, new(), "source");
        var migration = new DestinationMigration(new BareVm(vm), request, new MemoryJournal(), log);
        await migration.BeginAsync(Cancel);
        listener.Register(migration);
        return (listener, migration);
    }
}
