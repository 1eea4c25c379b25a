using System.Net;
using System.Net.Sockets;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// Opens the connections of a migration from its source. A destination that has not answered the hello within <see cref="answerLimit"/>
/// counts as not reached: <see cref="MigrationErrorReason.ConnectionLost"/>.
/// </summary>
internal static class MigrationDialer
{
    private static readonly TimeSpan answerLimit = TimeSpan.FromSeconds(10);

    /// <summary>Opens a connection for control frames.</summary>
    /// <param name="offer">Where to.</param>
    /// <param name="role"><see cref="ConnectionRole.Control"/> or <see cref="ConnectionRole.Recovery"/>.</param>
    /// <param name="cancellationToken">Cancels the connecting.</param>
    public static async Task<ControlConnection> ConnectControlAsync(
        IncomingOffer offer, ConnectionRole role, CancellationToken cancellationToken)
    {
        (ControlConnection connection, ControlFrame answer) =
            await AskAsync(offer, role, cancellationToken).ConfigureAwait(false);
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

    /// <summary>Opens a connection for pages, whose socket stays in blocking mode. Blocks the calling thread.</summary>
    public static DataConnection ConnectData(IncomingOffer offer, int channel, CancellationToken cancellationToken)
    {
        using CancellationTokenSource deadline = StartDeadline(cancellationToken);
        DataConnection? connection = null;
        try
        {
            connection = new DataConnection(Connect(offer, ConnectionRole.Data, channel, deadline.Token));
            using (deadline.Token.Register(connection.Dispose)) ReceiveWelcome(connection);

            // It may have been closed after its last byte.
            deadline.Token.ThrowIfCancellationRequested();
            return connection;
        }
        catch (Exception error)
        {
            connection?.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            if (deadline.IsCancellationRequested) throw NoAnswer(offer, error);
            throw;
        }
    }

    /// <summary>Asks the destination how the migration ended.</summary>
    public static async Task<MigrationOutcome> AskOutcomeAsync(IncomingOffer offer, CancellationToken cancellationToken)
    {
        (ControlConnection connection, ControlFrame answer) =
            await AskAsync(offer, ConnectionRole.Outcome, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            return answer.Expect(FrameType.Outcome).Read(ControlMessages.Default.OutcomeMessage).Outcome;
        }
    }

    /// <summary>Connects, sends the hello and receives the frame that answers it.</summary>
    private static async Task<(ControlConnection Connection, ControlFrame Answer)> AskAsync(
        IncomingOffer offer, ConnectionRole role, CancellationToken cancellationToken)
    {
        using CancellationTokenSource deadline = StartDeadline(cancellationToken);
        ControlConnection? connection = null;
        try
        {
            connection = new(await Task.Run(() => Connect(offer, role, 0, deadline.Token), deadline.Token).ConfigureAwait(false));
            return (connection, await connection.ReceiveAsync(deadline.Token).ConfigureAwait(false));
        }
        catch (Exception error)
        {
            if (connection is not null) await connection.DisposeAsync().ConfigureAwait(false);
            if (error is OperationCanceledException && !cancellationToken.IsCancellationRequested) throw NoAnswer(offer, error);
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
    private static Socket Connect(IncomingOffer offer, ConnectionRole role, int channel, CancellationToken deadline)
    {
        IPEndPoint endpoint = EndpointOf(offer);
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        using CancellationTokenRegistration closing = deadline.Register(socket.Dispose);
        try
        {
            ConnectionSocket.Configure(socket);
            socket.Connect(endpoint);
            var hello = new Hello(Hello.CurrentVersion, role, channel, offer.MigrationId, offer.Ticket);
            socket.Send(hello.ToBytes());
            return socket;
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            socket.Dispose();
            deadline.ThrowIfCancellationRequested();
            throw Unreached(offer, error.Message, error);
        }
    }

    private static CancellationTokenSource StartDeadline(CancellationToken cancellationToken)
    {
        var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(answerLimit);
        return deadline;
    }

    private static IPEndPoint EndpointOf(IncomingOffer offer) => new(IPAddress.Parse(offer.Address), offer.Port);

    private static MigrationException NoAnswer(IncomingOffer offer, Exception cause) =>
        Unreached(offer, $"it gave no answer in {answerLimit.TotalSeconds:0} s.", cause);

    private static MigrationException Unreached(IncomingOffer offer, string why, Exception cause) => new(
        MigrationErrorReason.ConnectionLost,
        $"Host '{offer.DestinationHostName}' cannot be reached on {EndpointOf(offer)}: {why}",
        "Check that the host runs and that no firewall stands between the two hosts.", cause);
}
