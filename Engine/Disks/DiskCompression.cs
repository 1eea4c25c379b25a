namespace VmMigration.Engine.Disks;

/// <summary>Whether contents are compressed on their way.</summary>
public enum DiskCompression
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>They travel as they are.</summary>
    None = 1,

    /// <summary>Zstandard, block by block; a block that does not shrink travels as it is.</summary>
    Zstd = 2,
}
