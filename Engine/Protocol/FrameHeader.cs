using System.Buffers.Binary;

namespace VmMigration.Engine.Protocol;

/// <summary>The 8 bytes before every payload: type (u16), zero (u16), payload length in bytes (u32), all little-endian.</summary>
internal readonly record struct FrameHeader(FrameType Type, int PayloadBytes)
{
    public const int SizeBytes = 8;

    /// <summary>Longest payload of a control frame.</summary>
    public const int MaxControlPayloadBytes = 256 * 1024;

    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(destination, (ushort)Type);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[2..], 0);
        BinaryPrimitives.WriteInt32LittleEndian(destination[4..], PayloadBytes);
    }

    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.ProtocolViolation"/> where the type is unknown, the zero is not, or the length is over the limit.
    /// </exception>
    public static FrameHeader Read(ReadOnlySpan<byte> source, int maxPayloadBytes)
    {
        var type = (FrameType)BinaryPrimitives.ReadUInt16LittleEndian(source);
        ushort zero = BinaryPrimitives.ReadUInt16LittleEndian(source[2..]);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(source[4..]);
        if (type == FrameType.Invalid || !Enum.IsDefined(type) || zero != 0)
        {
            throw new MigrationException(MigrationErrorReason.ProtocolViolation, $"A frame of unknown type {(ushort)type} (flags {zero}) arrived.");
        }

        if (length > maxPayloadBytes)
        {
            throw new MigrationException(
                MigrationErrorReason.ProtocolViolation, $"A {type} frame claims {length} bytes; at most {maxPayloadBytes} are allowed.");
        }

        return new(type, (int)length);
    }
}
