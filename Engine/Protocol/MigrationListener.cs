using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text.Json;
using Serilog;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// Accepts the connections of what arrives on a host. A connection that does not present the ticket of a known operation within
/// <see cref="handshakeLimit"/> is refused with a logged reason, and costs at most the bytes of a TLS handshake, 72 bytes and a thread for
/// that time; sooner where others wait for its place (<see cref="HandshakeQueue"/>).
/// </summary>
internal sealed class MigrationListener : IAsyncDisposable
{
    private const int MaxHandshakes = 64;

    private static readonly TimeSpan handshakeLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan handshakeGrace = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentDictionary<Guid, IIncomingOperation> operations = new();
    private readonly ConcurrentDictionary<Socket, byte> open = new();
    private readonly HandshakeQueue handshakes = new(MaxHandshakes, handshakeGrace);
    private readonly CancellationTokenSource closing = new();
    private readonly Socket listening;
    private readonly LinkEntrance entrance;
    private readonly LinkCertificate? certificate;
    private readonly Func<Guid, byte[], MigrationOutcome?> findOutcome;
    private readonly string hostName;
    private readonly ILogger log;
    private readonly Task accepting;

    /// <param name="endpoint">Address and port to listen on; port 0 takes a free one.</param>
    /// <param name="certificate">
    /// What the host proves itself with: connections are let in with TLS only. Null lets them in with plain text only. Stays the caller's.
    /// </param>
    /// <param name="hostName">Name of the host, for the peer.</param>
    /// <param name="log">Takes the reason of every refusal.</param>
    /// <param name="findOutcome">How an ended migration of this id and <see cref="Hello.OutcomeTicketOf"/> its ticket ended; null where it is not known.</param>
    /// <param name="network">Where the endpoint is; null for the ordinary network.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/> where the endpoint cannot be listened on.</exception>
    public MigrationListener(
        IPEndPoint endpoint, LinkCertificate? certificate, string hostName, ILogger log,
        Func<Guid, byte[], MigrationOutcome?> findOutcome, ISocketPlace? network = null)
    {
        entrance = new(certificate);
        this.certificate = certificate;
        this.findOutcome = findOutcome;
        this.hostName = hostName;
        this.log = log;
        listening = (network ?? MachineNetwork.Instance).Open(endpoint.AddressFamily);
        try
        {
            listening.Bind(endpoint);
            listening.Listen(128);
        }
        catch (SocketException error)
        {
            listening.Dispose();
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"Host '{hostName}' cannot listen on {endpoint}: {error.Message}",
                "Choose an address of this machine and a free port.", error);
        }

        Endpoint = (IPEndPoint)listening.LocalEndPoint!;
        accepting = AcceptAsync();
    }

    /// <summary>The address and port it listens on.</summary>
    public IPEndPoint Endpoint { get; }

    /// <summary>What the source of an operation has to know to get in here.</summary>
    public IncomingOffer MakeOffer(IIncomingOperation operation) =>
        new(operation.OperationId, hostName, Endpoint.Address.ToString(), Endpoint.Port, operation.Ticket.ToArray())
        {
            Security = certificate is null ? LinkSecurity.Plain : LinkSecurity.Tls,
            CertificateHash = certificate?.Hash,
        };

    /// <summary>Lets connections of this operation in.</summary>
    public void Register(IIncomingOperation operation) => operations[operation.OperationId] = operation;

    /// <summary>Lets no more connections of this operation in, questions for its outcome included.</summary>
    public void Unregister(Guid operationId) => operations.TryRemove(operationId, out _);

    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync().ConfigureAwait(false);
        listening.Dispose();
        await accepting.ConfigureAwait(false);
        foreach (Socket socket in open.Keys) socket.Dispose();

        await handshakes.DisposeAsync().ConfigureAwait(false);
        closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!closing.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await listening.AcceptAsync(closing.Token).ConfigureAwait(false);
            }
            catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException error)
            {
                // The peer went away between its SYN and the accept, or descriptors ran out: neither ends the service.
                log.Warning(error, "A connection could not be accepted");
                await Task.Delay(TimeSpan.FromMilliseconds(10), closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                continue;
            }

            open[socket] = 0;
            HandshakeQueue.Handshake handshake = await handshakes.EnterAsync(socket).ConfigureAwait(false);

            // A thread of its own: the socket stays in blocking mode, which the page path needs, and a slow peer holds up nobody.
            new Thread(() => Serve(handshake)) { IsBackground = true, Name = "migration connection" }.Start();
        }
    }

    private void Serve(HandshakeQueue.Handshake handshake)
    {
        Socket socket = handshake.Socket;
        bool waiting = true;
        EndPoint? peer = null;
        bool handedOver = false;
        LinkTransport? transport = null;
        try
        {
            peer = socket.RemoteEndPoint;
            ConnectionSocket.Configure(socket);
            (Hello hello, IIncomingOperation? operation) = Authenticate(socket, ref transport);
            handshakes.Leave(handshake);
            waiting = false;
            handedOver = operation is not null && HandOver(transport!, hello, operation);
        }
        catch (MigrationException error)
        {
            log.Warning("Refused a connection from {Peer}: {Reason}: {Message}", peer, error.Reason, error.Message);
            TrySendRefusal(transport ?? LinkTransport.Plain(socket), error);
        }
        catch (AuthenticationException error)
        {
            log.Warning(
                "Refused a connection from {Peer}: {Reason}: it does not open TLS 1.3: {Message}", peer, MigrationErrorReason.LinkRefused,
                error.InnerException?.Message ?? error.Message);
        }
        catch (Exception error) when (LinkTransport.IsBroken(error) && handshake.Displaced)
        {
            log.Warning("Closed the connection from {Peer}: it showed no ticket while others waited", peer);
        }
        catch (Exception error) when (LinkTransport.IsBroken(error))
        {
            log.Warning("A connection from {Peer} broke: {Message}", peer, error.Message);
        }
        catch (Exception error)
        {
            // On a bare thread it would end the process, and every VM's migration with it.
            log.Error(error, "The connection from {Peer} ended by a fault of the engine", peer);
        }
        finally
        {
            if (waiting) handshakes.Leave(handshake);
            open.TryRemove(socket, out _);
            if (!handedOver)
            {
                transport?.Dispose();
                socket.Dispose();
            }
        }
    }

    /// <summary>Checks the ticket. No operation comes with the hello where it asked for the outcome of one that has ended, and got it.</summary>
    private (Hello Hello, IIncomingOperation? Operation) Authenticate(Socket socket, ref LinkTransport? transport)
    {
        using var deadline = new CancellationTokenSource(handshakeLimit);
        using CancellationTokenRegistration closingSocket = deadline.Token.Register(socket.Dispose);
        transport = entrance.Open(socket);
        byte[] bytes = new byte[Hello.SizeBytes];
        for (int total = 0; total < bytes.Length;)
        {
            int count = transport.Receive(bytes.AsSpan(total));
            if (count == 0)
            {
                throw new MigrationException(MigrationErrorReason.ProtocolViolation, $"The peer hung up after {total} bytes of its hello.");
            }

            total += count;
        }

        Hello hello = Hello.Parse(bytes);
        if (operations.TryGetValue(hello.OperationId, out IIncomingOperation? operation)
            && CryptographicOperations.FixedTimeEquals(hello.Ticket, TicketFor(hello.Role, operation)))
        {
            return (hello, operation);
        }

        if (hello.Role == ConnectionRole.Outcome && findOutcome(hello.OperationId, hello.Ticket) is { } outcome)
        {
            SendOutcome(transport, outcome);
            return (hello, null);
        }

        throw new MigrationException(
            MigrationErrorReason.TicketRefused, $"The ticket for operation {hello.OperationId} is unknown or expired.",
            "Start the migration or the transfer again.");
    }

    private static ReadOnlySpan<byte> TicketFor(ConnectionRole role, IIncomingOperation operation) =>
        role == ConnectionRole.Outcome ? Hello.OutcomeTicketOf(operation.Ticket.Span) : operation.Ticket.Span;

    private static void SendOutcome(LinkTransport transport, MigrationOutcome outcome) => transport.Send(Encode(
        FrameType.Outcome,
        JsonSerializer.SerializeToUtf8Bytes(new OutcomeMessage(outcome), ControlMessages.Default.OutcomeMessage)));

    /// <summary>Returns true where somebody else owns the connection now.</summary>
    private bool HandOver(LinkTransport transport, Hello hello, IIncomingOperation operation)
    {
        if (hello.Role == ConnectionRole.Outcome && operation is IIncomingMigration migration)
        {
            SendOutcome(transport, migration.Outcome);
            return false;
        }

        if (!operation.TryClaim(hello.Role, hello.Channel))
        {
            throw new MigrationException(
                MigrationErrorReason.TicketRefused, $"Operation {hello.OperationId} expects no {hello.Role} connection {hello.Channel} now.");
        }

        transport.Send(Encode(FrameType.Welcome, JsonSerializer.SerializeToUtf8Bytes(
            new WelcomeMessage(hostName), ControlMessages.Default.WelcomeMessage)));
        return operation.Serve(transport, hello.Role, hello.Channel);
    }

    private static byte[] Encode(FrameType type, byte[] payload)
    {
        byte[] frame = new byte[FrameHeader.SizeBytes + payload.Length];
        new FrameHeader(type, payload.Length).Write(frame);
        payload.CopyTo(frame, FrameHeader.SizeBytes);
        return frame;
    }

    private void TrySendRefusal(LinkTransport transport, MigrationException error)
    {
        try
        {
            transport.Send(Encode(FrameType.Refused, JsonSerializer.SerializeToUtf8Bytes(
                FailureMessage.Of(error), ControlMessages.Default.FailureMessage)));
        }
        catch (Exception sending) when (LinkTransport.IsBroken(sending))
        {
            log.Debug("The peer did not wait for its refusal: {Message}", sending.Message);
        }
    }
}
