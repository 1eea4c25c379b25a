using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>A write-only stream whose bytes travel as <see cref="FrameType.State"/> frames.</summary>
internal sealed class StateFrameStream(SourceLink link, BandwidthLimit limit, TransferCounters counters) : Stream
{
    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            ReadOnlyMemory<byte> part = buffer[..Math.Min(buffer.Length, FrameHeader.MaxControlPayloadBytes)];
            await limit.WaitAsync(part.Length, cancellationToken).ConfigureAwait(false);
            await link.SendAsync(FrameType.State, part, cancellationToken).ConfigureAwait(false);
            counters.AddBytes(FrameHeader.SizeBytes + part.Length);
            buffer = buffer[part.Length..];
        }
    }

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) =>
        WriteAsync(buffer.AsMemory(offset, count), CancellationToken.None).AsTask().GetAwaiter().GetResult();

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();
}
