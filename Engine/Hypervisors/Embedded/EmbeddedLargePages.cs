using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Finds out whether the RAM of an embedded VM can be on large pages.</summary>
internal static class EmbeddedLargePages
{
    /// <summary>
    /// Reports in a sentence why it is not on the large pages that are specified; null where the kernel gives them as far as it has them,
    /// or where none are specified.
    /// </summary>
    /// <param name="backing">The pages it is to be on.</param>
    /// <param name="settings">What the kernel says.</param>
    public static string? FindObstacle(MemoryBacking backing, LargePageSettings settings) => backing switch
    {
        MemoryBacking.HugeTlb => "Memory of the engine's own process takes no pages from a hugetlbfs; "
            + $"{nameof(MemoryBacking.TransparentHugePages)} it can be on.",
        MemoryBacking.BasePages => null,
        _ when !OperatingSystem.IsLinux() => "Large pages can be asked for on Linux only.",
        _ when !settings.HasAnonymousLargePages =>
            $"The kernel gives no large pages: {settings.AnonymousSetting} is not there, or says never.",
        _ => null,
    };
}
