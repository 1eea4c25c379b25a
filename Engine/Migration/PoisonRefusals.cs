using System.Globalization;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Migration;

/// <summary>Why a VM with poisoned pages cannot move in some way, in sentences that name the pages. Pure.</summary>
internal static class PoisonRefusals
{
    private const int NamedPages = 8;

    /// <summary>What to do about poisoned pages that cannot travel.</summary>
    public const string Action = "Have the engine move the memory, or restart the VM: its memory is new then.";

    /// <summary>Names the first few pages by their guest-physical addresses, and counts the others.</summary>
    public static string Name(IReadOnlyList<PoisonedPage> pages)
    {
        string named = string.Join(", ", pages.Take(NamedPages).Select(Name));
        return pages.Count <= NamedPages
            ? named : string.Create(CultureInfo.InvariantCulture, $"{named} and {pages.Count - NamedPages} more");
    }

    /// <summary>The error for a hypervisor's own migration, which reads memory by plain loads.</summary>
    public static MigrationException HypervisorMigration(string vmName, IReadOnlyList<PoisonedPage> pages) =>
        new(MigrationErrorReason.PrerequisiteMissing, DescribeHypervisorMigration(vmName, pages), Action);

    /// <summary>Why the hypervisor's own migration is refused.</summary>
    public static string DescribeHypervisorMigration(string vmName, IReadOnlyList<PoisonedPage> pages) =>
        $"'{vmName}' has {Count(pages)} ({Name(pages)}). The hypervisor's own migration reads all memory by plain loads: the first of these"
        + " pages would end the VM.";

    /// <summary>The number with its noun.</summary>
    public static string Count(IReadOnlyList<PoisonedPage> pages) =>
        pages.Count == 1 ? "1 poisoned page" : string.Create(CultureInfo.InvariantCulture, $"{pages.Count} poisoned pages");

    private static string Name(PoisonedPage page) => page.GuestPhysicalAddress is { } address
        ? string.Create(CultureInfo.InvariantCulture, $"0x{address:x}")
        : string.Create(CultureInfo.InvariantCulture, $"RAM offset 0x{page.Page << GuestMemory.PageShift:x}");
}
