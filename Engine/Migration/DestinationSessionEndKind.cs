namespace VmMigration.Engine.Migration;

/// <summary>The ends of one link of a post-copy.</summary>
internal enum DestinationSessionEndKind
{
    Invalid = 0,

    /// <summary>All pages are there, and the source has let go.</summary>
    Released = 1,

    /// <summary>All pages are there, and differ from the source's.</summary>
    Mismatch = 2,

    /// <summary>The VM ended.</summary>
    VmEnded = 3,

    /// <summary>The link broke, or pages could not be placed.</summary>
    Broken = 4,
}
