using System.Net.Sockets;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// A connection that carries pages. Its calls block, because each is used by one thread of its own; disposal from another thread ends a
/// call under way with <see cref="MigrationErrorReason.ConnectionLost"/>.
/// </summary>
internal sealed class DataConnection(Socket socket) : IDisposable
{
    public void Send(ReadOnlySpan<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty) bytes = bytes[socket.Send(bytes)..];
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            throw Lost(error);
        }
    }

    /// <summary>
    /// Fills the whole span by recv(2). The span may be a window onto guest memory: the kernel writes it, and a full backing store shows as
    /// an error, never as a signal.
    /// </summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.ConnectionLost"/>, or <see cref="MigrationErrorReason.OutOfSpace"/> where the kernel cannot write the span.
    /// </exception>
    public void Receive(Span<byte> bytes)
    {
        if (!TryReceive(bytes)) throw Lost(null);
    }

    /// <summary>The same, but false where the peer closed the connection in order before the first byte.</summary>
    public bool TryReceive(Span<byte> bytes)
    {
        int total = 0;
        try
        {
            while (total < bytes.Length)
            {
                int count = socket.Receive(bytes[total..]);
                if (count == 0) return total == 0 ? false : throw Lost(null);
                total += count;
            }

            return true;
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.Fault)
        {
            throw new MigrationException(
                MigrationErrorReason.OutOfSpace, "The file system that holds the guest's RAM is full.",
                "Free memory on the destination host, or give its RAM directory more space.", error);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            throw Lost(error);
        }
    }

    public void Dispose() => socket.Dispose();

    private static MigrationException Lost(Exception? cause) =>
        new(MigrationErrorReason.ConnectionLost, "A data connection to the other host broke.", null, cause);
}
