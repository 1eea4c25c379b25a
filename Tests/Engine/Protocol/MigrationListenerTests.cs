using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Protocol;

[CollectionDefinition(nameof(MigrationListenerTests), DisableParallelization = true)]
public sealed class AloneInTheProcess;

/// <summary>Runs alone, because it measures the memory of the process.</summary>
[Collection(nameof(MigrationListenerTests))]
public sealed class MigrationListenerTests : IAsyncDisposable
{
    private readonly LogLines lines = new();
    private readonly MigrationListener listener;

    public MigrationListenerTests()
    {
        ILogger log = new LoggerConfiguration().MinimumLevel.Verbose().WriteTo.Sink(lines).CreateLogger();
        listener = new(new(IPAddress.Loopback, 0), null, "destination", log, (_, _) => null);
    }

    public ValueTask DisposeAsync() => listener.DisposeAsync();

    [Fact]
    public async Task An_unknown_ticket_is_refused_with_a_logged_reason() =>
        await AssertRefusedAsync(NewHello().ToBytes(), nameof(MigrationErrorReason.TicketRefused));

    [Fact]
    public async Task Another_version_is_refused_with_a_logged_reason() =>
        await AssertRefusedAsync((NewHello() with { Version = 9 }).ToBytes(), nameof(MigrationErrorReason.VersionMismatch));

    [Fact]
    public async Task Garbage_is_refused_with_a_logged_reason() =>
        await AssertRefusedAsync(RandomNumberGenerator.GetBytes(Hello.SizeBytes), nameof(MigrationErrorReason.ProtocolViolation));

    [Fact]
    public async Task A_wrong_ticket_for_a_known_migration_is_refused_and_the_right_one_still_works()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        DestinationMigration migration = await NewIncomingAsync(cancellation);
        Task<MigrationOutcome> arriving = migration.RunAsync(cancellation);
        await AssertRefusedAsync(
            (NewHello() with { OperationId = migration.MigrationId }).ToBytes(), nameof(MigrationErrorReason.TicketRefused));

        IncomingOffer offer = OfferFor(migration);
        await using (ControlConnection control = await new MigrationDialer(offer).ConnectControlAsync(ConnectionRole.Control, cancellation))
        {
            MigrationException second = await Assert.ThrowsAsync<MigrationException>(
                () => new MigrationDialer(offer).ConnectControlAsync(ConnectionRole.Control, cancellation));
            Assert.Equal(MigrationErrorReason.TicketRefused, second.Reason);
        }

        Assert.Equal(MigrationOutcome.SourceOwns, await arriving);
    }

    [Fact]
    public async Task Frames_of_garbage_after_the_hello_end_that_migration_only()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        var random = new Random(7);
        for (int i = 0; i < 200; i++)
        {
            DestinationMigration migration = await NewIncomingAsync(cancellation);
            Task<MigrationOutcome> arriving = migration.RunAsync(cancellation);
            using (Socket socket = await ConnectAsync(cancellation))
            {
                var hello = new Hello(Hello.CurrentVersion, ConnectionRole.Control, 0, migration.MigrationId, migration.Ticket.ToArray());
                await socket.SendAsync(hello.ToBytes(), cancellation);
                await socket.SendAsync(NextGarbage(random, i), cancellation);
                socket.Shutdown(SocketShutdown.Send);
                Assert.Equal(MigrationOutcome.SourceOwns, await arriving.WaitAsync(TimeSpan.FromSeconds(10), cancellation));
            }

            listener.Unregister(migration.MigrationId);
        }

        Assert.Equal(200, lines.Count("Gave the incoming VM up"));
    }

    [Fact]
    public async Task Thousands_of_strangers_neither_grow_memory_nor_stop_the_service()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        await KnockAsync(200, cancellation);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        await KnockAsync(3000, cancellation);
        long growth = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.True(growth < 2 << 20, $"{growth} bytes more are held after 3,000 refused connections");

        await using MigrationPair pair = await MigrationPair.CreateAsync(
            new() { Program = GuestProgramKind.Checksum }, 2 << 20, 1, new() { VerifyMemory = true }, null, cancellation);
        (MigrationStatus status, _) = await pair.RunAsync(cancellation);
        Assert.Equal(MigrationState.Completed, status.State);
        await AssertRefusedAsync(NewHello().ToBytes(), nameof(MigrationErrorReason.TicketRefused));
    }

    [Fact]
    public async Task A_migration_starts_promptly_while_hundreds_of_idle_connections_wait_before_it()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        DestinationMigration migration = await NewIncomingAsync(cancellation);
        Task<MigrationOutcome> arriving = migration.RunAsync(cancellation);
        List<Socket> idle = [];
        try
        {
            for (int i = 0; i < 200; i++) idle.Add(await ConnectAsync(cancellation));
            long start = Stopwatch.GetTimestamp();
            await using (await new MigrationDialer(OfferFor(migration)).ConnectControlAsync(ConnectionRole.Control, cancellation))
            {
                // They give way 64 at a time, half a second after each 64 came in.
                Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(4));
            }
        }
        finally
        {
            foreach (Socket socket in idle) socket.Dispose();
        }

        Assert.Equal(MigrationOutcome.SourceOwns, await arriving);
        Assert.True(lines.Count("it showed no ticket while others waited") > 0, "the closing was not logged");
    }

    [Fact]
    public async Task A_burst_of_sources_as_large_as_several_migrations_gets_through_whole()
    {
        await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => AssertRefusedAsync(
            NewHello().ToBytes(), nameof(MigrationErrorReason.TicketRefused))));
        Assert.Equal(0, lines.Count("it showed no ticket while others waited"));
    }

    [Fact]
    public async Task A_fault_of_the_engine_ends_that_connection_and_not_the_process()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        var faulty = new FaultyMigration();
        listener.Register(faulty);
        var offer = new IncomingOffer(
            faulty.OperationId, "destination", listener.Endpoint.Address.ToString(), listener.Endpoint.Port, faulty.Ticket.ToArray());

        var lost = await Assert.ThrowsAsync<MigrationException>(
            () => new MigrationDialer(offer).ConnectControlAsync(ConnectionRole.Control, cancellation));

        Assert.Equal(MigrationErrorReason.ConnectionLost, lost.Reason);
        Assert.Equal(1, lines.Count("a fault of the engine"));
        await AssertRefusedAsync(NewHello().ToBytes(), nameof(MigrationErrorReason.TicketRefused));
    }

    private static byte[] NextGarbage(Random random, int round)
    {
        byte[] bytes = new byte[random.Next(0, 64)];
        random.NextBytes(bytes);

        // Half of the rounds start with a valid type, so that the fuzz gets past the first check; a quarter claims an oversize length.
        if (round % 2 == 0 && bytes.Length >= FrameHeader.SizeBytes)
        {
            FrameType[] types = [.. Enum.GetValues<FrameType>().Where(type => type != FrameType.Invalid)];
            int length = round % 4 == 0 ? int.MaxValue : bytes.Length - FrameHeader.SizeBytes;
            new FrameHeader(types[random.Next(types.Length)], length).Write(bytes);
        }

        return bytes;
    }

    private async Task KnockAsync(int times, CancellationToken cancellation)
    {
        var random = new Random(times);
        for (int i = 0; i < times; i++)
        {
            using Socket socket = await ConnectAsync(cancellation);
            byte[] bytes = new byte[random.Next(0, 2 * Hello.SizeBytes)];
            random.NextBytes(bytes);
            await socket.SendAsync(bytes, cancellation);
        }
    }

    private async Task AssertRefusedAsync(byte[] hello, string reason)
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        using Socket socket = await ConnectAsync(cancellation);
        await socket.SendAsync(hello, cancellation);
        var connection = new ControlConnection(LinkTransport.Plain(socket));
        await using (connection)
        {
            ControlFrame frame = await connection.ReceiveAsync(cancellation);
            Assert.Equal(FrameType.Refused, frame.Type);
            Assert.Equal(reason, frame.Read(ControlMessages.Default.FailureMessage).Reason.ToString());
        }

        Assert.True(lines.Count(reason) > 0, "the refusal was not logged");
    }

    private async Task<Socket> ConnectAsync(CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.Endpoint, cancellation);
        return socket;
    }

    private async Task<DestinationMigration> NewIncomingAsync(CancellationToken cancellation)
    {
        var specification = new VmSpecification
        {
            Name = "guest",
            MemoryBytes = 2 << 20,
            Embedded = new() { Program = GuestProgramKind.Idle },
        };
        IVirtualMachine vm = await new EmbeddedHypervisor().PrepareIncomingAsync(specification, StateContents.Devices, cancellation);
        var request = new IncomingRequest(Guid.NewGuid(), specification, StateContents.Devices, new(), "source");
        ILogger log = new LoggerConfiguration().WriteTo.Sink(lines).CreateLogger();
        var migration = new DestinationMigration(new BareVm(vm), request, new MemoryJournal(), log);
        await migration.BeginAsync(cancellation);
        listener.Register(migration);
        return migration;
    }

    private IncomingOffer OfferFor(DestinationMigration migration) => listener.MakeOffer(migration);

    private static Hello NewHello() => new(
        Hello.CurrentVersion, ConnectionRole.Control, 0, Guid.NewGuid(), RandomNumberGenerator.GetBytes(Hello.TicketBytes));

    private sealed class FaultyMigration : IIncomingMigration
    {
        public Guid OperationId { get; } = Guid.NewGuid();

        public ReadOnlyMemory<byte> Ticket { get; } = RandomNumberGenerator.GetBytes(Hello.TicketBytes);

        public MigrationOutcome Outcome => MigrationOutcome.Pending;

        public bool TryClaim(ConnectionRole role, int channel) => throw new InvalidOperationException("A fault for the test.");

        public bool Serve(LinkTransport transport, ConnectionRole role, int channel) => throw new NotSupportedException();
    }
}
