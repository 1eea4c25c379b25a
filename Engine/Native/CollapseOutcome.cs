namespace VmMigration.Engine.Native;

/// <summary>What became of a wish for large pages (the errors of madvise(2) with MADV_COLLAPSE).</summary>
public enum CollapseOutcome
{
    /// <summary>Not an outcome.</summary>
    Invalid = 0,

    /// <summary>All of the range is mapped by large pages.</summary>
    Done = 1,

    /// <summary>EINVAL: the range is not aligned, holds no data, holds a page that cannot be moved, or is traced.</summary>
    Impossible = 2,

    /// <summary>EAGAIN or EBUSY: a page is in use this moment.</summary>
    Again = 3,

    /// <summary>ENOMEM: no whole large page is free, or something is not mapped there.</summary>
    NoMemory = 4,
}
