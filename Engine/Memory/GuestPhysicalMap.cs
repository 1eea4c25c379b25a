namespace VmMigration.Engine.Memory;

/// <summary>Where a guest sees its RAM: guest-physical addresses against offsets from the start of the RAM block. Pure.</summary>
public sealed class GuestPhysicalMap
{
    private readonly GuestPhysicalRange[] ranges;

    /// <param name="ranges">In any order; several may show the same RAM, of which the lowest address counts.</param>
    public GuestPhysicalMap(IEnumerable<GuestPhysicalRange> ranges) => this.ranges = [.. ranges.OrderBy(range => range.Address)];

    /// <summary>The parts, in the order of their addresses.</summary>
    public IReadOnlyList<GuestPhysicalRange> Ranges => ranges;

    /// <summary>The map of a machine whose guest sees the RAM block as it is, from address 0 on.</summary>
    /// <param name="sizeBytes">Size of the RAM block in bytes.</param>
    public static GuestPhysicalMap Identity(long sizeBytes) => new([new(0, 0, sizeBytes)]);

    /// <summary>The address at which the guest sees an offset of the RAM block; null where it sees it nowhere.</summary>
    public long? AddressOf(long ramOffset)
    {
        foreach (GuestPhysicalRange range in ranges)
        {
            if (ramOffset < range.RamOffset || ramOffset - range.RamOffset >= range.LengthBytes) continue;
            return range.Address + ramOffset - range.RamOffset;
        }

        return null;
    }

    /// <summary>The offset in the RAM block that a guest-physical address means; null where there is no RAM.</summary>
    public long? OffsetOf(long address)
    {
        foreach (GuestPhysicalRange range in ranges)
        {
            if (address >= range.Address && address - range.Address < range.LengthBytes) return range.RamOffset + address - range.Address;
        }

        return null;
    }
}
