using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Takes QMP's byte stream apart: one JSON object a line.</summary>
internal sealed class QmpMessageReader(Stream stream)
{
    // A whole query-qmp-schema is 0.3 MiB; anything far beyond is no QEMU.
    private const int MaxMessageBytes = 16 << 20;
    private const int BufferBytes = 16 << 10;

    private readonly PipeReader reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: BufferBytes, leaveOpen: true));

    /// <summary>Reads one message; null where the connection ended.</summary>
    /// <exception cref="JsonException">Where a line holds no JSON.</exception>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.HypervisorFailed"/> where a message is too long.</exception>
    public async Task<JsonDocument?> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            ReadResult result = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            ReadOnlySequence<byte> buffer = result.Buffer;
            if (buffer.PositionOf((byte)'\n') is { } newline)
            {
                JsonDocument message = JsonDocument.Parse(buffer.Slice(0, newline).ToArray());
                reader.AdvanceTo(buffer.GetPosition(1, newline));
                return message;
            }

            if (buffer.Length > MaxMessageBytes)
            {
                throw new MigrationException(
                    MigrationErrorReason.HypervisorFailed, $"QEMU sent a message of more than {MaxMessageBytes} bytes.");
            }

            reader.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted) return null;
        }
    }

    /// <summary>Gives the buffers back; nothing may be reading.</summary>
    public ValueTask CompleteAsync() => reader.CompleteAsync();
}
