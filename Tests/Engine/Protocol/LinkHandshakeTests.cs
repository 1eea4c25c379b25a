using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Protocol;

/// <summary>What a destination that demands TLS lets in. Alone in the process, because it measures how promptly.</summary>
[Collection(nameof(MigrationListenerTests))]
public sealed class LinkHandshakeTests : IAsyncDisposable
{
    private readonly LogLines lines = new();
    private readonly LinkCertificate certificate = LinkCertificate.Create();
    private readonly MigrationListener listener;
    private readonly ILogger log;

    public LinkHandshakeTests()
    {
        log = new LoggerConfiguration().MinimumLevel.Verbose().WriteTo.Sink(lines).CreateLogger();
        listener = new(new(IPAddress.Loopback, 0), certificate, "destination", log, (_, _) => null);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await listener.DisposeAsync();
        certificate.Dispose();
    }

    [Fact]
    public async Task A_certificate_other_than_the_offers_is_refused_by_the_source_before_it_shows_its_ticket()
    {
        DestinationMigration migration = await NewIncomingAsync();
        IncomingOffer offer = listener.MakeOffer(migration);
        byte[] hash = [.. offer.CertificateHash!];
        hash[31] ^= 1;
        foreach (byte[] wrong in new[] { hash, new byte[32] })
        {
            MigrationException refusal = await Assert.ThrowsAsync<MigrationException>(
                () => new MigrationDialer(offer with { CertificateHash = wrong }).ConnectControlAsync(ConnectionRole.Control, Cancel));
            Assert.Equal(MigrationErrorReason.LinkRefused, refusal.Reason);
            Assert.Contains("certificate", refusal.Message, StringComparison.Ordinal);
        }

        Assert.Equal(0, lines.Count(nameof(MigrationErrorReason.TicketRefused)));
        await AssertLetsInAsync(migration);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(31)]
    public async Task An_offer_of_TLS_without_a_whole_hash_is_taken_for_no_offer(int? bytes)
    {
        DestinationMigration migration = await NewIncomingAsync();
        IncomingOffer offer = listener.MakeOffer(migration) with { CertificateHash = bytes is { } count ? new byte[count] : null };
        MigrationException refusal = await Assert.ThrowsAsync<MigrationException>(
            () => new MigrationDialer(offer).ConnectControlAsync(ConnectionRole.Control, Cancel));
        Assert.Equal(MigrationErrorReason.InvalidArgument, refusal.Reason);
        await AssertLetsInAsync(migration);
    }

    [Fact]
    public async Task A_client_of_TLS_1_2_is_refused_with_a_logged_reason()
    {
        using Socket socket = await KnockAsync();
        await using var tls = new SslStream(new NetworkStream(socket));
        await Assert.ThrowsAnyAsync<Exception>(() => tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = "destination",
                EnabledSslProtocols = SslProtocols.Tls12,
                RemoteCertificateValidationCallback = (_, shown, _, _) => LinkCertificate.HashOf(shown!).SequenceEqual(certificate.Hash),
            },
            Cancel));
        await WaitForLineAsync("LinkRefused: it does not open TLS 1.3");
        await AssertLetsInAsync(await NewIncomingAsync());
    }

    [Fact]
    public async Task A_plain_text_hello_is_refused_with_a_reason_that_it_hears_and_the_log_has()
    {
        DestinationMigration migration = await NewIncomingAsync();
        IncomingOffer offer = listener.MakeOffer(migration) with { Security = LinkSecurity.Plain, CertificateHash = null };
        MigrationException refusal = await Assert.ThrowsAsync<MigrationException>(
            () => new MigrationDialer(offer).ConnectControlAsync(ConnectionRole.Control, Cancel));
        Assert.Equal(MigrationErrorReason.LinkRefused, refusal.Reason);
        Assert.Equal(1, lines.Count("The peer speaks plain text"));
        await AssertLetsInAsync(migration);
    }

    [Fact]
    public async Task A_host_of_plain_text_refuses_TLS_with_a_logged_reason()
    {
        await using var plain = new MigrationListener(new(IPAddress.Loopback, 0), null, "destination", log, (_, _) => null);
        DestinationMigration migration = await NewIncomingAsync();
        IncomingOffer offer = listener.MakeOffer(migration) with { Port = plain.Endpoint.Port };
        MigrationException refusal = await Assert.ThrowsAsync<MigrationException>(
            () => new MigrationDialer(offer).ConnectControlAsync(ConnectionRole.Control, Cancel));
        Assert.Equal(MigrationErrorReason.LinkRefused, refusal.Reason);
        await WaitForLineAsync("The peer opens TLS");
    }

    [Fact]
    public async Task A_migration_starts_promptly_while_hundreds_of_strangers_trickle_a_handshake()
    {
        DestinationMigration migration = await NewIncomingAsync();
        List<Socket> strangers = [];
        try
        {
            // The beginning of a record that claims 16 KiB of ClientHello, which never come.
            byte[] beginning = [22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3];
            for (int i = 0; i < 200; i++)
            {
                Socket stranger = await KnockAsync();
                strangers.Add(stranger);
                await stranger.SendAsync(beginning, Cancel);
            }

            long start = Stopwatch.GetTimestamp();
            await AssertLetsInAsync(migration);

            // They give way 64 at a time, half a second after each 64 came in.
            Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(4));
        }
        finally
        {
            foreach (Socket stranger in strangers) stranger.Dispose();
        }

        Assert.True(lines.Count("it showed no ticket while others waited") > 0, "the closing was not logged");
    }

    [Fact]
    public async Task A_stranger_that_trickles_a_handshake_is_cut_off_after_the_limit_of_a_hello()
    {
        using Socket stranger = await KnockAsync();
        long start = Stopwatch.GetTimestamp();
        byte[] received = new byte[1];
        byte[] beginning = [22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc];
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task trickling = TrickleAsync(stranger, beginning, stop.Token);
        int count;
        try
        {
            count = await stranger.ReceiveAsync(received, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(15), Cancel);
        }
        catch (SocketException)
        {
            count = 0;
        }

        await stop.CancelAsync();
        await trickling;
        Assert.Equal(0, count);
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(12));
        await AssertLetsInAsync(await NewIncomingAsync());
    }

    [Fact]
    public async Task Thousands_of_broken_handshakes_neither_grow_memory_nor_stop_the_service()
    {
        await KnockOftenAsync(100);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        await KnockOftenAsync(1000);
        long growth = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.True(growth < 2 << 20, $"{growth} bytes more are held after 1,000 broken handshakes");
        await AssertLetsInAsync(await NewIncomingAsync());
    }

    private static async Task TrickleAsync(Socket socket, byte[] bytes, CancellationToken cancellationToken)
    {
        try
        {
            for (int i = 0; !cancellationToken.IsCancellationRequested; i++)
            {
                await socket.SendAsync(new[] { i < bytes.Length ? bytes[i] : (byte)0 }, cancellationToken);
                await Task.Delay(100, cancellationToken);
            }
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException)
        {
            // The destination hung up, or the test has seen enough.
        }
    }

    private async Task KnockOftenAsync(int times)
    {
        var random = new Random(times);
        for (int i = 0; i < times; i++)
        {
            using Socket socket = await KnockAsync();
            byte[] bytes = new byte[random.Next(1, 600)];
            random.NextBytes(bytes);
            bytes[0] = 22;
            await socket.SendAsync(bytes, Cancel);
        }
    }

    private async Task<Socket> KnockAsync()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.Endpoint, Cancel);
        return socket;
    }

    private async Task WaitForLineAsync(string text)
    {
        for (int i = 0; i < 200 && lines.Count(text) == 0; i++) await Task.Delay(20, Cancel);
        Assert.True(lines.Count(text) > 0, $"the log has no '{text}': {string.Join('\n', lines.All)}");
    }

    private async Task AssertLetsInAsync(DestinationMigration migration)
    {
        Task<MigrationOutcome> arriving = migration.RunAsync(Cancel);
        await using (await new MigrationDialer(listener.MakeOffer(migration)).ConnectControlAsync(ConnectionRole.Control, Cancel))
        {
        }

        Assert.Equal(MigrationOutcome.SourceOwns, await arriving);
    }

    private async Task<DestinationMigration> NewIncomingAsync()
    {
        var specification = new VmSpecification
        {
            Name = "guest", MemoryBytes = 2 << 20, Embedded = new() { Program = GuestProgramKind.Idle },
        };
        IVirtualMachine vm = await new EmbeddedHypervisor().PrepareIncomingAsync(specification, StateContents.Devices, Cancel);
        var request = new IncomingRequest(Guid.NewGuid(), specification, StateContents.Devices, new(), "source");
        var migration = new DestinationMigration(new BareVm(vm), request, new MemoryJournal(), log);
        await migration.BeginAsync(Cancel);
        listener.Register(migration);
        return migration;
    }
}
