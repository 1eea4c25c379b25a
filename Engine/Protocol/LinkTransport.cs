using System.Net.Security;
using System.Net.Sockets;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// The bytes of one connection, in plain text or inside TLS. Either the blocking calls are used, by one thread that sends and one that
/// receives, or the stream. Disposal from any thread ends calls under way.
/// </summary>
internal sealed class LinkTransport : IDisposable
{
    private readonly Socket socket;
    private readonly SslStream? tls;
    private readonly RecordStream? records;
    private NetworkStream? stream;

    private LinkTransport(Socket socket, SslStream? tls, RecordStream? records)
    {
        this.socket = socket;
        this.tls = tls;
        this.records = records;
    }

    /// <summary>How the bytes are protected.</summary>
    public LinkSecurity Security => tls is null ? LinkSecurity.Plain : LinkSecurity.Tls;

    /// <summary>The connection as a stream, for asynchronous calls, which take the socket out of blocking mode.</summary>
    public Stream Stream => tls ?? (Stream)(stream ??= new(socket, ownsSocket: true));

    /// <summary>A connection whose bytes go over the wire as they are. Owns the socket.</summary>
    public static LinkTransport Plain(Socket socket) => new(socket, null, null);

    /// <summary>A connection whose handshake is done.</summary>
    /// <param name="socket">Carries the records; taken over.</param>
    /// <param name="tls">Writes to and reads from <paramref name="records"/>; taken over.</param>
    /// <param name="records">Writes to and reads from the socket.</param>
    public static LinkTransport Tls(Socket socket, SslStream tls, RecordStream records) => new(socket, tls, records);

    /// <summary>Sends all bytes.</summary>
    /// <exception cref="Exception">What <see cref="IsBroken"/> knows, where the connection ended.</exception>
    public void Send(ReadOnlySpan<byte> bytes)
    {
        if (tls is null || records is null)
        {
            while (!bytes.IsEmpty) bytes = bytes[socket.Send(bytes)..];
            return;
        }

        records.Hold();
        tls.Write(bytes);
        records.Release();
    }

    /// <summary>Receives what there is, at least one byte; 0 where the peer has closed the connection.</summary>
    /// <exception cref="Exception">What <see cref="IsBroken"/> knows, where the connection ended.</exception>
    public int Receive(Span<byte> bytes) => tls is null ? socket.Receive(bytes) : tls.Read(bytes);

    /// <summary>
    /// Whether an exception says that the connection broke or was closed, which includes bytes that were changed on their way inside TLS.
    /// </summary>
    public static bool IsBroken(Exception error) => error is SocketException or IOException or ObjectDisposedException;

    /// <inheritdoc/>
    public void Dispose()
    {
        // The socket first: it ends the calls under way, which hold what TLS allocated.
        socket.Dispose();
        tls?.Dispose();
        stream?.Dispose();
    }
}
