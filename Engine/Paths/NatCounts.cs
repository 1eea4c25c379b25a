namespace VmMigration.Engine.Paths;

/// <summary>What a gateway's rules have counted for one path.</summary>
/// <param name="Packets">Packets of its connections, and signs of life.</param>
/// <param name="SourceFarewells">More than 0 once the source has removed its end.</param>
/// <param name="DestinationFarewells">More than 0 once the destination has removed its end.</param>
internal readonly record struct NatCounts(long Packets, long SourceFarewells, long DestinationFarewells)
{
    /// <summary>Whether neither host has its end any more.</summary>
    public bool BothLeft => SourceFarewells > 0 && DestinationFarewells > 0;
}
