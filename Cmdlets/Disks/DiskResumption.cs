using System.Globalization;

namespace VmMigration.Cmdlets;

/// <summary>What a disk transfer began with, and why.</summary>
/// <param name="Kind">The way.</param>
/// <param name="FragmentId">The fragment it went on from; null for none.</param>
/// <param name="OffsetBytes">Bytes from the start of the file that were there for good; 0 where every block is sent or compared.</param>
/// <param name="Reason">Why this way, in a sentence; null where there was no choice.</param>
public sealed record DiskResumption(DiskResumptionKind Kind, Guid? FragmentId, long OffsetBytes, string? Reason)
{
    /// <summary>The way, and from where on.</summary>
    public override string ToString() => Kind == DiskResumptionKind.Continued
        ? string.Create(CultureInfo.InvariantCulture, $"{Kind} at {OffsetBytes >> 20:N0} MiB")
        : Kind.ToString();

    internal static DiskResumption From(Engine.Disks.DiskResumption resumption) =>
        new((DiskResumptionKind)resumption.Kind, resumption.FragmentId, resumption.OffsetBytes, resumption.Reason);
}
