using System.Net;
using System.Net.Sockets;

namespace VmMigration.Engine.Protocol;

/// <summary>Opens the connections of a migration from its source.</summary>
internal static class MigrationDialer
{
    private static readonly TimeSpan connectLimit = TimeSpan.FromSeconds(10);

    public static async Task<ControlConnection> ConnectControlAsync(IncomingOffer offer, CancellationToken cancellationToken)
    {
        var connection = new ControlConnection(
            await ConnectAsync(offer, ConnectionRole.Control, 0, cancellationToken).ConfigureAwait(false));
        try
        {
            (await connection.ReceiveAsync(cancellationToken).ConfigureAwait(false)).Expect(FrameType.Welcome);
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
        Socket socket = Connect(offer, ConnectionRole.Data, channel, cancellationToken);
        var connection = new DataConnection(socket);
        using CancellationTokenRegistration cancelling = cancellationToken.Register(connection.Dispose);
        try
        {
            byte[] head = new byte[FrameHeader.SizeBytes];
            connection.Receive(head);
            FrameHeader header = FrameHeader.Read(head, FrameHeader.MaxControlPayloadBytes);
            byte[] payload = new byte[header.PayloadBytes];
            connection.Receive(payload);
            new ControlFrame(header.Type, payload).Expect(FrameType.Welcome);
            return connection;
        }
        catch
        {
            connection.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            throw;
        }
    }

    /// <summary>Asks the destination how the migration ended.</summary>
    public static async Task<MigrationOutcome> AskOutcomeAsync(IncomingOffer offer, CancellationToken cancellationToken)
    {
        Socket socket = await ConnectAsync(offer, ConnectionRole.Outcome, 0, cancellationToken).ConfigureAwait(false);
        await using var connection = new ControlConnection(socket);
        ControlFrame frame = await connection.ReceiveAsync(cancellationToken).ConfigureAwait(false);
        return frame.Expect(FrameType.Outcome).Read(ControlMessages.Default.OutcomeMessage).Outcome;
    }

    private static Task<Socket> ConnectAsync(
        IncomingOffer offer, ConnectionRole role, int channel, CancellationToken cancellationToken) =>
        Task.Run(() => Connect(offer, role, channel, cancellationToken), cancellationToken);

    private static Socket Connect(IncomingOffer offer, ConnectionRole role, int channel, CancellationToken cancellationToken)
    {
        var endpoint = new IPEndPoint(IPAddress.Parse(offer.Address), offer.Port);
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(connectLimit);
        using CancellationTokenRegistration closing = deadline.Token.Register(socket.Dispose);
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
            cancellationToken.ThrowIfCancellationRequested();
            throw new MigrationException(
                MigrationErrorReason.ConnectionLost,
                $"Host '{offer.DestinationHostName}' cannot be reached on {endpoint}: {error.Message}",
                "Check that the host runs and that no firewall stands between the two hosts.", error);
        }
    }
}
