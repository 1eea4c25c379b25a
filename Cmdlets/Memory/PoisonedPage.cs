using System.Globalization;

namespace VmMigration.Cmdlets;

/// <summary>A page of guest memory with an uncorrectable memory error: whoever touches it has a machine check or is ended.</summary>
public sealed record PoisonedPage
{
    /// <summary>The VM.</summary>
    public required Guid VmId { get; init; }

    /// <summary>Its name.</summary>
    public required string VmName { get; init; }

    /// <summary>The host it was on.</summary>
    public required string HostName { get; init; }

    /// <summary>Where the guest sees the page, in bytes; null where the machine's memory map is not known.</summary>
    public long? GuestPhysicalAddress { get; init; }

    /// <summary>Number of the page from the start of RAM, in pages of 4096 bytes.</summary>
    public required long Page { get; init; }

    /// <summary>How it was found.</summary>
    public required PoisonSource Source { get; init; }

    /// <summary>How it was found on the host where it was found first; null where that is this host.</summary>
    public PoisonSource? OriginalSource { get; init; }

    /// <summary>When it was found, UTC.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>The VM and the address.</summary>
    public override string ToString() => GuestPhysicalAddress is { } address
        ? string.Create(CultureInfo.InvariantCulture, $"{VmName} at 0x{address:x}")
        : string.Create(CultureInfo.InvariantCulture, $"{VmName}, page {Page}");

    internal static PoisonedPage From(Engine.Memory.PoisonedPage page, Guid vmId, string vmName, string hostName) => new()
    {
        VmId = vmId,
        VmName = vmName,
        HostName = hostName,
        GuestPhysicalAddress = page.GuestPhysicalAddress,
        Page = page.Page,
        Source = (PoisonSource)page.Source,
        OriginalSource = (PoisonSource?)page.OriginalSource,
        Since = page.Since,
    };
}
