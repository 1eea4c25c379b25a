using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace VmMigration.Engine.Protocol;

/// <summary>One received control frame.</summary>
internal readonly record struct ControlFrame(FrameType Type, byte[] Payload)
{
    /// <summary>Reads the payload as a JSON message.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.ProtocolViolation"/> where it is none.</exception>
    public T Read<T>(JsonTypeInfo<T> typeInfo)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(Payload, typeInfo)
                ?? throw new MigrationException(MigrationErrorReason.ProtocolViolation, $"A {Type} frame holds no message.");
        }
        catch (JsonException error)
        {
            throw new MigrationException(
                MigrationErrorReason.ProtocolViolation, $"A {Type} frame does not hold its message: {error.Message}", null, error);
        }
    }

    /// <summary>Checks that the frame is of the type that must come now.</summary>
    /// <exception cref="MigrationException">
    /// What the peer reports, where it is <see cref="FrameType.Abort"/> or <see cref="FrameType.Refused"/>; else
    /// <see cref="MigrationErrorReason.ProtocolViolation"/>.
    /// </exception>
    public ControlFrame Expect(FrameType type)
    {
        if (Type == type) return this;
        if (Type is FrameType.Abort or FrameType.Refused) throw Read(ControlMessages.Default.FailureMessage).ToException();

        throw new MigrationException(MigrationErrorReason.ProtocolViolation, $"The peer sent {Type} where {type} must come.");
    }
}
