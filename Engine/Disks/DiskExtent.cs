namespace VmMigration.Engine.Disks;

/// <summary>A part of a disk that is all of one kind.</summary>
/// <param name="OffsetBytes">Where it begins.</param>
/// <param name="LengthBytes">How long it is, above 0.</param>
/// <param name="IsZero">Whether it is known to read as zeros: a hole, or clusters without data.</param>
internal readonly record struct DiskExtent(long OffsetBytes, long LengthBytes, bool IsZero)
{
    /// <summary>The first byte behind it.</summary>
    public long EndBytes => OffsetBytes + LengthBytes;
}
