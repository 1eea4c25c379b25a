namespace VmMigration.Engine.Migration;

/// <summary>The ends of a post-copy.</summary>
internal enum PostcopyEndKind
{
    Invalid = 0,

    /// <summary>The destination needs nothing more from here: it has all pages, or the VM ended there.</summary>
    Completed = 1,

    /// <summary>The pages differ after their journey: the VM is paused at the destination, and its memory kept here.</summary>
    Mismatch = 2,

    /// <summary>The host closes while the link is broken: everything stays as it is.</summary>
    Abandoned = 3,

    /// <summary>The destination's engine is another one, which cannot take the missing pages: neither copy can go on.</summary>
    Stranded = 4,
}
