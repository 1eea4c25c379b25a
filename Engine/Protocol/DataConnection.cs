using System.Net.Sockets;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// A connection that carries pages. Its calls block, because each is used by one thread of its own; disposal from another thread ends a
/// call under way with <see cref="MigrationErrorReason.ConnectionLost"/>.
/// </summary>
internal sealed class DataConnection(LinkTransport transport) : IDisposable
{
    // Of decrypted pages: enough that the system calls cost little, few enough that they stay in the processor's cache on their way.
    private const int DecryptedBytes = 64 * 1024;

    private byte[]? decrypted;

    public void Send(ReadOnlySpan<byte> bytes)
    {
        try
        {
            transport.Send(bytes);
        }
        catch (Exception error) when (LinkTransport.IsBroken(error))
        {
            throw Lost(error);
        }
    }

    /// <summary>Fills the whole span.</summary>
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
                int count = transport.Receive(bytes[total..]);
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
        catch (Exception error) when (LinkTransport.IsBroken(error))
        {
            throw Lost(error);
        }
    }

    /// <summary>
    /// Receives into guest memory. Only system calls write it, so that a full backing store shows as an error, never as a signal: recv(2)
    /// itself, or with TLS, whose bytes are decrypted in this process, a write after that.
    /// </summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.ConnectionLost"/>, or <see cref="MigrationErrorReason.OutOfSpace"/>.
    /// </exception>
    public void ReceiveInto(GuestMemory memory, long offset, int lengthBytes)
    {
        if (transport.Security == LinkSecurity.Plain)
        {
            Receive(memory.ReceiveWindow(offset, lengthBytes));
            return;
        }

        decrypted ??= GC.AllocateUninitializedArray<byte>(DecryptedBytes, pinned: true);
        while (lengthBytes > 0)
        {
            Span<byte> part = decrypted.AsSpan(0, Math.Min(lengthBytes, DecryptedBytes));
            Receive(part);
            memory.Write(offset, part);
            offset += part.Length;
            lengthBytes -= part.Length;
        }
    }

    public void Dispose() => transport.Dispose();

    private static MigrationException Lost(Exception? cause) =>
        new(MigrationErrorReason.ConnectionLost, "A data connection to the other host broke.", null, cause);
}
