namespace VmMigration.Engine.Migration;

/// <summary>What has been sent so far, counted by all connections of a migration at once.</summary>
internal sealed class TransferCounters
{
    private long pagesData;
    private long pagesZero;
    private long pagesUnchanged;
    private long bytesSent;

    public long PagesData => Interlocked.Read(ref pagesData);

    public long PagesZero => Interlocked.Read(ref pagesZero);

    public long PagesUnchanged => Interlocked.Read(ref pagesUnchanged);

    public long BytesSent => Interlocked.Read(ref bytesSent);

    public void AddPages(long data, long zero, long unchanged = 0)
    {
        if (data != 0) Interlocked.Add(ref pagesData, data);
        if (zero != 0) Interlocked.Add(ref pagesZero, zero);
        if (unchanged != 0) Interlocked.Add(ref pagesUnchanged, unchanged);
    }

    public void AddBytes(long bytes) => Interlocked.Add(ref bytesSent, bytes);
}
