namespace VmMigration.Engine.Disks;

/// <summary>How the contents of a block travel. The numbers are the wire's.</summary>
internal enum BlockEncoding : uint
{
    Invalid = 0,

    /// <summary>As they are.</summary>
    Raw = 1,

    /// <summary>One Zstandard frame (RFC 8878).</summary>
    Zstd = 2,
}
