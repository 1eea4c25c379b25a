namespace VmMigration.Engine.Disks;

/// <summary>What a transfer begins with, and why. Serializable.</summary>
/// <param name="Kind">The way.</param>
/// <param name="FragmentId">The fragment it goes on from; null for none.</param>
/// <param name="OffsetBytes">Bytes from the start of the file that are there for good; 0 where every block is sent or compared.</param>
/// <param name="Reason">Why this way, in a sentence; null where there was no choice.</param>
public sealed record DiskResumption(DiskResumptionKind Kind, Guid? FragmentId, long OffsetBytes, string? Reason)
{
    /// <summary>With nothing, there being no fragment.</summary>
    public static DiskResumption Fresh { get; } = new(DiskResumptionKind.Fresh, null, 0, null);
}
