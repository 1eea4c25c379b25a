using System.Runtime.InteropServices;

namespace VmMigration.Engine.Native;

/// <summary>A run of pages of the same categories (<c>struct page_region</c> of linux/fs.h).</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct PageRegion
{
    /// <summary>First address.</summary>
    public ulong Start { get; init; }

    /// <summary>Address after the last.</summary>
    public ulong End { get; init; }

    /// <summary>What the pages have in common, of what was asked for.</summary>
    public PageCategories Categories { get; init; }
}
