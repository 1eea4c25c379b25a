namespace VmMigration.Engine.Protocol;

/// <summary>How the pages of a run travel.</summary>
internal enum PageRunKind : ushort
{
    Invalid = 0,

    /// <summary>With their contents, after the run table.</summary>
    Data = 1,

    /// <summary>As metadata only: every byte is zero.</summary>
    Zero = 2,

    /// <summary>
    /// As metadata only: the pages have an uncorrectable memory error, and the VM must not read them at the destination either.
    /// </summary>
    Poisoned = 3,
}
