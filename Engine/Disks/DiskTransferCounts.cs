namespace VmMigration.Engine.Disks;

/// <summary>What a transfer has sent and found, in bytes. Safe to use from several threads.</summary>
internal sealed class DiskTransferCounts
{
    private long sent;
    private long data;
    private long zero;
    private long unchanged;
    private long repaired;

    /// <summary>Written to the connections.</summary>
    public long SentBytes => Interlocked.Read(ref sent);

    /// <summary>Contents sent, before compression.</summary>
    public long DataBytes => Interlocked.Read(ref data);

    /// <summary>Zeros that were told.</summary>
    public long ZeroBytes => Interlocked.Read(ref zero);

    /// <summary>Compared and found to be there.</summary>
    public long UnchangedBytes => Interlocked.Read(ref unchanged);

    /// <summary>Sent once more.</summary>
    public long RepairedBytes => Interlocked.Read(ref repaired);

    /// <summary>Counts bytes on the wire.</summary>
    public void AddSent(long bytes) => Interlocked.Add(ref sent, bytes);

    /// <summary>Counts contents sent for the first time.</summary>
    public void AddData(long bytes) => Interlocked.Add(ref data, bytes);

    /// <summary>Counts zeros.</summary>
    public void AddZero(long bytes) => Interlocked.Add(ref zero, bytes);

    /// <summary>Counts what the destination has.</summary>
    public void AddUnchanged(long bytes) => Interlocked.Add(ref unchanged, bytes);

    /// <summary>Counts contents sent once more.</summary>
    public void AddRepaired(long bytes) => Interlocked.Add(ref repaired, bytes);
}
