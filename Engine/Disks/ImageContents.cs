using System.Collections.Concurrent;

namespace VmMigration.Engine.Disks;

/// <summary>
/// What is inside an image, over NBD: a qemu-nbd of its own reads and writes it. As many threads get on at once as there are connections;
/// others wait.
/// </summary>
internal sealed class ImageContents : IWritableDisk
{
    // The protocol's lengths have 32 bits; a request as long as this finds large holes at once.
    private const uint MaxRequestBytes = 1u << 30;
    private const int SectorBytes = 512;

    private readonly QemuNbd server;
    private readonly IReadOnlyList<NbdConnection> connections;
    private readonly BlockingCollection<NbdConnection> idle;
    private readonly List<DiskExtent> extents = [];
    private readonly Lock finding = new();
    private readonly bool isReadOnly;
    private int disposed;

    private ImageContents(QemuNbd server, IReadOnlyList<NbdConnection> connections, long sizeBytes, bool isReadOnly)
    {
        this.server = server;
        this.connections = connections;
        this.isReadOnly = isReadOnly;
        idle = new(new ConcurrentBag<NbdConnection>(connections));
        SizeBytes = sizeBytes;
    }

    /// <inheritdoc/>
    public long SizeBytes { get; }

    /// <summary>The process id of the qemu-nbd.</summary>
    public int ServerProcessId => server.ProcessId;

    /// <summary>Opens an image.</summary>
    /// <param name="path">Its absolute path.</param>
    /// <param name="format">Its format.</param>
    /// <param name="sizeBytes">Length of the disk inside; images hold whole sectors, so that theirs may be up to 511 bytes longer.</param>
    /// <param name="isReadOnly">Whether it is only read.</param>
    /// <param name="connections">How many threads are to get on at once.</param>
    /// <param name="cancellationToken">Cancels it: nothing is left open then.</param>
    /// <exception cref="MigrationException">
    /// As <see cref="QemuNbd.StartAsync"/>; <see cref="MigrationErrorReason.DiskChanged"/> where the disk inside has another length.
    /// </exception>
    public static async Task<ImageContents> OpenAsync(
        string path, DiskFormat format, long sizeBytes, bool isReadOnly, int connections, CancellationToken cancellationToken)
    {
        (QemuNbd server, IReadOnlyList<NbdConnection> made) =
            await QemuNbd.StartAsync(path, format, isReadOnly, connections, cancellationToken).ConfigureAwait(false);
        var contents = new ImageContents(server, made, sizeBytes, isReadOnly);
        NbdExport export = made[0].Export;
        const ushort Needed = NbdWire.SendsFlush | NbdWire.SendsWriteZeroes;
        MigrationException? obstacle =
            export.SizeBytes - sizeBytes is < 0 or >= SectorBytes
                ? new(
                    MigrationErrorReason.DiskChanged, $"The disk inside '{path}' has {export.SizeBytes} bytes; {sizeBytes} were expected.",
                    "Keep others from resizing the image, and start the transfer again.")
            : !isReadOnly && ((export.Flags & NbdWire.IsReadOnly) != 0 || (export.Flags & Needed) != Needed)
                ? new(MigrationErrorReason.PrerequisiteMissing, $"qemu-nbd does not let '{path}' be filled.", "Use qemu-nbd of QEMU 5.0 or later.")
            : null;
        if (obstacle is null) return contents;
        await contents.DisposeAsync().ConfigureAwait(false);
        throw obstacle;
    }

    /// <inheritdoc/>
    public DiskExtent FindExtent(long offsetBytes)
    {
        lock (finding)
        {
            // Of an image that nobody writes, an answer stays true, and holds more than was asked for.
            if (isReadOnly && TryFindKnown(offsetBytes, out DiskExtent known)) return known;
            uint length = (uint)Math.Min(SizeBytes - offsetBytes, MaxRequestBytes);
            NbdConnection connection = idle.Take();
            try
            {
                connection.FindExtents(offsetBytes, length, extents);
            }
            finally
            {
                idle.Add(connection);
            }

            return TryFindKnown(offsetBytes, out DiskExtent extent) ? extent : new(offsetBytes, length, IsZero: false);
        }
    }

    /// <inheritdoc/>
    public void Read(long offsetBytes, Span<byte> buffer)
    {
        NbdConnection connection = idle.Take();
        try
        {
            connection.Read(offsetBytes, buffer);
        }
        finally
        {
            idle.Add(connection);
        }
    }

    /// <inheritdoc/>
    public void Write(long offsetBytes, ReadOnlySpan<byte> contents)
    {
        NbdConnection connection = idle.Take();
        try
        {
            connection.Write(offsetBytes, contents);
        }
        finally
        {
            idle.Add(connection);
        }
    }

    /// <inheritdoc/>
    /// <remarks>Parts that read as zeros already are left alone: writing to them would give them tables in the image.</remarks>
    public void WriteZeros(long offsetBytes, long lengthBytes)
    {
        long end = offsetBytes + lengthBytes;
        while (offsetBytes < end)
        {
            DiskExtent extent = FindExtent(offsetBytes);
            long length = Math.Min(Math.Min(extent.EndBytes, end) - offsetBytes, MaxRequestBytes);
            if (!extent.IsZero) WriteZerosNow(offsetBytes, (uint)length);
            offsetBytes += length;
        }
    }

    /// <inheritdoc/>
    public void Sync()
    {
        NbdConnection connection = idle.Take();
        try
        {
            connection.Flush();
        }
        finally
        {
            idle.Add(connection);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0) return;
        foreach (NbdConnection connection in connections) connection.Dispose();
        idle.Dispose();
        await server.DisposeAsync().ConfigureAwait(false);
    }

    private void WriteZerosNow(long offset, uint length)
    {
        NbdConnection connection = idle.Take();
        try
        {
            connection.WriteZeros(offset, length);
        }
        finally
        {
            idle.Add(connection);
        }
    }

    /// <summary>What the last answer says of an offset, neighbours of one kind joined.</summary>
    private bool TryFindKnown(long offset, out DiskExtent found)
    {
        int first = extents.FindIndex(one => one.OffsetBytes <= offset && offset < one.EndBytes);
        if (first < 0)
        {
            found = default;
            return false;
        }

        long end = extents[first].EndBytes;
        for (int next = first + 1; next < extents.Count && extents[next].IsZero == extents[first].IsZero; next++) end = extents[next].EndBytes;
        found = new(offset, Math.Min(end, SizeBytes) - offset, extents[first].IsZero);
        return true;
    }
}
