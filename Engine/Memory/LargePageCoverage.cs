namespace VmMigration.Engine.Memory;

/// <summary>How much of a VM's memory its page tables map by large pages. Serializable.</summary>
/// <param name="MappedBytes">Guest memory that is mapped at all.</param>
/// <param name="LargeBytes">What of it is mapped by pages of 2 MiB or more.</param>
public sealed record LargePageCoverage(long MappedBytes, long LargeBytes)
{
    /// <summary>The share of mapped memory that large pages map, from 0 to 1; 0 where nothing is mapped.</summary>
    public double Share => MappedBytes == 0 ? 0 : (double)LargeBytes / MappedBytes;
}
