namespace VmMigration.Engine.Memory;

/// <summary>A page of guest memory with an uncorrectable memory error. Serializable.</summary>
/// <param name="Page">Number of the page from the start of the RAM block, in pages of 4096 bytes.</param>
/// <param name="Source">How it was found.</param>
/// <param name="Since">When it was found, UTC.</param>
public sealed record PoisonedPage(long Page, PoisonSource Source, DateTimeOffset Since)
{
    /// <summary>Where the guest sees it; null where the machine's memory map is not known.</summary>
    public long? GuestPhysicalAddress { get; init; }

    /// <summary>
    /// How it was found on the host where it was found first; null where that is this host. <see cref="Source"/> is
    /// <see cref="PoisonSource.Carried"/> otherwise.
    /// </summary>
    public PoisonSource? OriginalSource { get; init; }
}
