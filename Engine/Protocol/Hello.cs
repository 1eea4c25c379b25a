using System.Buffers.Binary;
using System.Security.Cryptography;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// The fixed 72 bytes that open every connection: magic (8), version (u16), role (u16), channel (u16), zero (u16), id of the operation (16),
/// ticket (32), zero (8). Its size does not depend on anything the peer says, so a stranger can make the host read no more than that.
/// </summary>
internal sealed record Hello(ushort Version, ConnectionRole Role, int Channel, Guid OperationId, byte[] Ticket)
{
    public const int SizeBytes = 72;
    public const int TicketBytes = 32;

    /// <summary>The version this build speaks. A peer of another version is refused; see PROTOCOL.md.</summary>
    public const ushort CurrentVersion = 3;

    private static ReadOnlySpan<byte> Magic => "VMMIGRAT"u8;

    /// <summary>
    /// What a connection that asks for the outcome presents in place of the ticket: its SHA-256. Journals hold no more than that, so what is
    /// on disk opens no connection that touches a VM.
    /// </summary>
    public static byte[] OutcomeTicketOf(ReadOnlySpan<byte> ticket) => SHA256.HashData(ticket);

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[SizeBytes];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(10), (ushort)Role);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(12), checked((ushort)Channel));
        OperationId.TryWriteBytes(bytes.AsSpan(16, 16));
        Ticket.CopyTo(bytes, 32);
        return bytes;
    }

    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.ProtocolViolation"/> where it is no hello, <see cref="MigrationErrorReason.VersionMismatch"/>
    /// where it is one of another version.
    /// </exception>
    public static Hello Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != SizeBytes || !bytes[..8].SequenceEqual(Magic))
        {
            throw new MigrationException(MigrationErrorReason.ProtocolViolation, "The peer does not speak the migration protocol.");
        }

        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]);
        if (version != CurrentVersion)
        {
            throw new MigrationException(
                MigrationErrorReason.VersionMismatch, $"The peer speaks protocol version {version}, this host version {CurrentVersion}.",
                "Install the same version of VmMigration on both hosts.");
        }

        var role = (ConnectionRole)BinaryPrimitives.ReadUInt16LittleEndian(bytes[10..]);
        ushort channel = BinaryPrimitives.ReadUInt16LittleEndian(bytes[12..]);
        bool zeros = bytes[14..16].IndexOfAnyExcept((byte)0) < 0 && bytes[64..].IndexOfAnyExcept((byte)0) < 0;
        if (role == ConnectionRole.Invalid || !Enum.IsDefined(role) || !zeros)
        {
            throw new MigrationException(MigrationErrorReason.ProtocolViolation, $"The peer's hello has an unknown role {(ushort)role}.");
        }

        return new(version, role, channel, new Guid(bytes[16..32]), bytes[32..64].ToArray());
    }
}
