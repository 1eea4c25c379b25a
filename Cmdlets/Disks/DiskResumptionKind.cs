namespace VmMigration.Cmdlets;

/// <summary>What a disk transfer begins with.</summary>
public enum DiskResumptionKind
{
    /// <summary>With nothing: there is no fragment, or none was to be used.</summary>
    Fresh = 1,

    /// <summary>With a fragment of the same contents: all before its offset stays, and what lies behind it is compared.</summary>
    Continued = 2,

    /// <summary>With a fragment of other contents, or a damaged one: every block is compared, and those that differ are sent.</summary>
    Compared = 3,

    /// <summary>With nothing, although there is a fragment: comparing it would take longer than sending the disk.</summary>
    Anew = 4,
}
