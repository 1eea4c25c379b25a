using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// A write-only stream whose bytes travel as <see cref="FrameType.State"/> frames. It can be held: what is written then is kept until the
/// release. One writer at a time.
/// </summary>
internal sealed class StateFrameStream(SourceLink link, BandwidthLimit limit, TransferCounters counters) : Stream
{
    private readonly SemaphoreSlim turn = new(1, 1);
    private readonly MemoryStream kept = new();
    private volatile bool isHeld;

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

    /// <summary>Keeps from now on what is written.</summary>
    public void Hold() => isHeld = true;

    /// <summary>Sends what was kept; from then on bytes travel as they are written.</summary>
    public async Task ReleaseAsync(CancellationToken cancellationToken)
    {
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await SendAsync(kept.GetBuffer().AsMemory(0, (int)kept.Length), cancellationToken).ConfigureAwait(false);
            kept.SetLength(0);
            isHeld = false;
        }
        finally
        {
            turn.Release();
        }
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (isHeld) kept.Write(buffer.Span);
            else await SendAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            turn.Release();
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

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            turn.Dispose();
            kept.Dispose();
        }

        base.Dispose(disposing);
    }

    private async Task SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            ReadOnlyMemory<byte> part = bytes[..Math.Min(bytes.Length, FrameHeader.MaxControlPayloadBytes)];
            await limit.WaitAsync(part.Length, cancellationToken).ConfigureAwait(false);
            await link.SendAsync(FrameType.State, part, cancellationToken).ConfigureAwait(false);
            counters.AddBytes(FrameHeader.SizeBytes + part.Length);
            bytes = bytes[part.Length..];
        }
    }
}
