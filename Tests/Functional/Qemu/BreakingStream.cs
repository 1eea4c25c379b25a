namespace VmMigration.Functional.Tests.Qemu;

/// <summary>Takes some bytes and then fails, or calls back and goes on.</summary>
internal sealed class BreakingStream(long limitBytes, Action? atLimit = null) : Stream
{
    private long written;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => written;

    public override long Position
    {
        get => written;
        set => throw new NotSupportedException();
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count)
    {
        written += count;
        if (written < limitBytes) return;
        if (atLimit is null) throw new IOException("The way to the destination broke.");
        atLimit();
    }
}
