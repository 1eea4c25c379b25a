using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// Opens the connections of a migration from its source. A destination that has not answered the hello within <see cref="answerLimit"/>
/// counts as not reached: <see cref="MigrationErrorReason.ConnectionLost"/>.
/// </summary>
/// <param name="offer">Where to, and with what right.</param>
/// <param name="network">Where the connections start; null for the ordinary network.</param>
internal sealed class MigrationDialer(IncomingOffer offer, ISocketPlace? network = null)
{
    private static readonly TimeSpan answerLimit = TimeSpan.FromSeconds(10);

    private readonly ISocketPlace network = network ?? MachineNetwork.Instance;

    /// <summary>Where to, and with what right.</summary>
    public IncomingOffer Offer => offer;

    /// <summary>Opens a connection for control frames.</summary>
    /// <param name="role">Any that is neither for data nor for an outcome.</param>
    /// <param name="cancellationToken">Cancels the connecting.</param>
    public async Task<ControlConnection> ConnectControlAsync(ConnectionRole role, CancellationToken cancellationToken)
    {
        (ControlConnection connection, ControlFrame answer) = await AskAsync(role, offer.Ticket, cancellationToken).ConfigureAwait(false);
        try
        {
            answer.Expect(FrameType.Welcome);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Opens a connection for data, whose socket stays in blocking mode. Blocks the calling thread.</summary>
    /// <param name="channel">Its number, from 0.</param>
    /// <param name="cancellationToken">Cancels the connecting.</param>
    /// <param name="role"><see cref="ConnectionRole.Data"/> or <see cref="ConnectionRole.DiskData"/>.</param>
    public DataConnection ConnectData(int channel, CancellationToken cancellationToken, ConnectionRole role = ConnectionRole.Data)
    {
        using CancellationTokenSource deadline = StartDeadline(cancellationToken);
        DataConnection? connection = null;
        try
        {
            connection = new DataConnection(Connect(role, channel, offer.Ticket, deadline.Token));
            using (deadline.Token.Register(connection.Dispose)) ReceiveWelcome(connection);

            // It may have been closed after its last byte.
            deadline.Token.ThrowIfCancellationRequested();
            return connection;
        }
        catch (Exception error)
        {
            connection?.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            if (deadline.IsCancellationRequested) throw NoAnswer(error);
            throw;
        }
    }

    /// <summary>Opens a connection that carries the bytes of one disk's mirror.</summary>
    /// <param name="index">Which of the VM's disks.</param>
    /// <param name="cancellationToken">Cancels the connecting.</param>
    public Task<LinkTransport> ConnectRelayAsync(int index, CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            using CancellationTokenSource deadline = StartDeadline(cancellationToken);
            LinkTransport? transport = null;
            try
            {
                transport = Connect(ConnectionRole.DiskMirror, index, offer.Ticket, deadline.Token);
                using (deadline.Token.Register(transport.Dispose)) ReceiveWelcome(new DataConnection(transport));
                deadline.Token.ThrowIfCancellationRequested();
                return transport;
            }
            catch (Exception error)
            {
                transport?.Dispose();
                cancellationToken.ThrowIfCancellationRequested();
                if (deadline.IsCancellationRequested) throw NoAnswer(error);
                throw;
            }
        },
        cancellationToken);

    /// <summary>Asks the destination how the migration ended.</summary>
    public Task<MigrationOutcome> AskOutcomeAsync(CancellationToken cancellationToken) =>
        AskOutcomeAsync(Hello.OutcomeTicketOf(offer.Ticket), cancellationToken);

    /// <summary>Asks the destination how the migration ended, with what a journal keeps of the offer's ticket.</summary>
    /// <param name="outcomeTicket"><see cref="Hello.OutcomeTicketOf"/> of the ticket.</param>
    /// <param name="cancellationToken">Cancels the asking.</param>
    public async Task<MigrationOutcome> AskOutcomeAsync(byte[] outcomeTicket, CancellationToken cancellationToken)
    {
        (ControlConnection connection, ControlFrame answer) =
            await AskAsync(ConnectionRole.Outcome, outcomeTicket, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            return answer.Expect(FrameType.Outcome).Read(ControlMessages.Default.OutcomeMessage).Outcome;
        }
    }

    /// <summary>Connects, sends the hello and receives the frame that answers it.</summary>
    private async Task<(ControlConnection Connection, ControlFrame Answer)> AskAsync(
        ConnectionRole role, byte[] ticket, CancellationToken cancellationToken)
    {
        using CancellationTokenSource deadline = StartDeadline(cancellationToken);
        ControlConnection? connection = null;
        try
        {
            connection = new(await Task.Run(() => Connect(role, 0, ticket, deadline.Token), deadline.Token).ConfigureAwait(false));
            return (connection, await connection.ReceiveAsync(deadline.Token).ConfigureAwait(false));
        }
        catch (Exception error)
        {
            if (connection is not null) await connection.DisposeAsync().ConfigureAwait(false);
            if (error is OperationCanceledException && !cancellationToken.IsCancellationRequested) throw NoAnswer(error);
            throw;
        }
    }

    private static void ReceiveWelcome(DataConnection connection)
    {
        byte[] head = new byte[FrameHeader.SizeBytes];
        connection.Receive(head);
        FrameHeader header = FrameHeader.Read(head, FrameHeader.MaxControlPayloadBytes);
        byte[] payload = new byte[header.PayloadBytes];
        connection.Receive(payload);
        new ControlFrame(header.Type, payload).Expect(FrameType.Welcome);
    }

    /// <exception cref="OperationCanceledException">Where the deadline passed first.</exception>
    private LinkTransport Connect(ConnectionRole role, int channel, byte[] ticket, CancellationToken deadline)
    {
        if (offer.Security == LinkSecurity.Tls) TlsCapability.Require();
        IPEndPoint endpoint = FindEndpoint();
        Socket socket = network.Open(endpoint.AddressFamily);
        LinkTransport? transport = null;
        using CancellationTokenRegistration closing = deadline.Register(socket.Dispose);
        try
        {
            ConnectionSocket.Configure(socket);
            socket.Connect(endpoint);
            transport = Open(socket);
            var hello = new Hello(Hello.CurrentVersion, role, channel, offer.MigrationId, ticket);
            transport.Send(hello.ToBytes());
            return transport;
        }
        catch (Exception error)
        {
            transport?.Dispose();
            socket.Dispose();
            deadline.ThrowIfCancellationRequested();
            if (LinkTransport.IsBroken(error)) throw Unreached(error.Message, error);
            throw;
        }
    }

    /// <summary>Opens what the offer names and nothing less.</summary>
    private LinkTransport Open(Socket socket) => offer switch
    {
        { Security: LinkSecurity.Plain } => LinkTransport.Plain(socket),
        { Security: LinkSecurity.Tls, CertificateHash: { Length: SHA256.HashSizeInBytes } hash } => TlsOpening.AsSource(socket, hash),
        _ => throw new MigrationException(
            MigrationErrorReason.InvalidArgument,
            $"The offer of host '{offer.DestinationHostName}' does not say how its connections are protected.",
            "Start the migration again, with the offer as the host made it."),
    };

    private static CancellationTokenSource StartDeadline(CancellationToken cancellationToken)
    {
        var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(answerLimit);
        return deadline;
    }

    private IPEndPoint FindEndpoint() => new(IPAddress.Parse(offer.Address), offer.Port);

    private MigrationException NoAnswer(Exception cause) =>
        Unreached($"it gave no answer in {answerLimit.TotalSeconds:0} s.", cause);

    private MigrationException Unreached(string why, Exception cause) => new(
        MigrationErrorReason.ConnectionLost,
        $"Host '{offer.DestinationHostName}' cannot be reached on {FindEndpoint()}: {why}",
        "Check that the host runs and that no firewall stands between the two hosts.", cause);
}
