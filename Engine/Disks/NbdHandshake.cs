using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace VmMigration.Engine.Disks;

/// <summary>
/// The client's side of NBD's fixed newstyle handshake (doc/proto.md, "Handshake phase"), with structured replies and base:allocation, for the
/// export without a name.
/// </summary>
internal static class NbdHandshake
{
    private const string Context = "base:allocation";
    private const int MaxReplyBytes = 4096;
    private const int ExportInfoBytes = 12;

    /// <summary>Goes through it. Blocks, as long as the socket's time limits let it.</summary>
    /// <param name="socket">Just connected; stays the caller's.</param>
    /// <param name="name">The image, for messages.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.ProtocolViolation"/>, with the server's words where it refuses; <see cref="SocketException"/> where the
    /// connection breaks.
    /// </exception>
    public static NbdExport Run(Socket socket, string name)
    {
        byte[] greeting = Receive(socket, 18, name);
        if (BinaryPrimitives.ReadUInt64BigEndian(greeting) != NbdWire.ServerMagic
            || BinaryPrimitives.ReadUInt64BigEndian(greeting.AsSpan(8)) != NbdWire.OptionMagic
            || (BinaryPrimitives.ReadUInt16BigEndian(greeting.AsSpan(16)) & NbdWire.FixedNewStyle) == 0)
        {
            throw Violation(name, "its greeting is not that of the newstyle handshake");
        }

        byte[] flags = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(flags, NbdWire.ClientFlags);
        Send(socket, flags);
        Ask(socket, name, NbdWire.OptionStructuredReply, [], (_, _) => { });

        uint? context = null;
        Ask(socket, name, NbdWire.OptionSetMetaContext, MetaContextRequest(), (type, data) =>
        {
            if (type == NbdWire.ReplyMetaContext && data.Length > 4 && Encoding.UTF8.GetString(data.AsSpan(4)) == Context)
            {
                context = BinaryPrimitives.ReadUInt32BigEndian(data);
            }
        });

        // An empty name, and nothing asked for beyond the export: so every offset and length is allowed.
        long size = -1;
        ushort exportFlags = 0;
        Ask(socket, name, NbdWire.OptionGo, new byte[6], (type, data) =>
        {
            if (type != NbdWire.ReplyInfo || data.Length < ExportInfoBytes || BinaryPrimitives.ReadUInt16BigEndian(data) != NbdWire.InfoExport) return;
            size = BinaryPrimitives.ReadInt64BigEndian(data.AsSpan(2));
            exportFlags = BinaryPrimitives.ReadUInt16BigEndian(data.AsSpan(10));
        });
        if (size < 0) throw Violation(name, "it does not say how large its export is");
        return new(size, exportFlags, context ?? throw Violation(name, $"it does not know {Context}"));
    }

    /// <summary>Sends an option, and hears the replies to it until it is granted.</summary>
    private static void Ask(Socket socket, string name, uint option, ReadOnlySpan<byte> data, Action<uint, byte[]> hear)
    {
        byte[] request = new byte[NbdWire.OptionHeadBytes + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(request, NbdWire.OptionMagic);
        BinaryPrimitives.WriteUInt32BigEndian(request.AsSpan(8), option);
        BinaryPrimitives.WriteUInt32BigEndian(request.AsSpan(12), (uint)data.Length);
        data.CopyTo(request.AsSpan(NbdWire.OptionHeadBytes));
        Send(socket, request);
        while (true)
        {
            byte[] head = Receive(socket, NbdWire.OptionReplyHeadBytes, name);
            uint type = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(12));
            uint length = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(16));
            if (BinaryPrimitives.ReadUInt64BigEndian(head) != NbdWire.OptionReplyMagic
                || BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(8)) != option || length > MaxReplyBytes)
            {
                throw Violation(name, $"its reply to option {option} is none");
            }

            byte[] reply = Receive(socket, (int)length, name);
            if ((type & NbdWire.ReplyErrorBit) != 0)
            {
                throw Violation(name, $"it refuses option {option} (error {type & ~NbdWire.ReplyErrorBit}): {Encoding.UTF8.GetString(reply)}");
            }

            if (type == NbdWire.ReplyAck) return;
            hear(type, reply);
        }
    }

    private static byte[] MetaContextRequest()
    {
        // Length of the export's name, which is empty; one query; its length; the query.
        byte[] data = new byte[12 + Context.Length];
        BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan(4), 1);
        BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan(8), (uint)Context.Length);
        Encoding.ASCII.GetBytes(Context, data.AsSpan(12));
        return data;
    }

    private static void Send(Socket socket, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty) bytes = bytes[socket.Send(bytes)..];
    }

    private static byte[] Receive(Socket socket, int length, string name)
    {
        byte[] bytes = new byte[length];
        for (int done = 0; done < length;)
        {
            int count = socket.Receive(bytes.AsSpan(done));
            if (count == 0) throw Violation(name, "it closed the connection");
            done += count;
        }

        return bytes;
    }

    private static MigrationException Violation(string name, string what) => new(
        MigrationErrorReason.ProtocolViolation, $"'{name}' cannot be used through qemu-nbd: {what}.", "Use qemu-nbd of QEMU 5.0 or later.");
}
