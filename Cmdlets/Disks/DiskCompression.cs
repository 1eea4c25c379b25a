namespace VmMigration.Cmdlets;

/// <summary>Whether contents are compressed on their way.</summary>
public enum DiskCompression
{
    /// <summary>They travel as they are.</summary>
    None = 1,

    /// <summary>Zstandard, block by block; a block that does not shrink travels as it is.</summary>
    Zstd = 2,
}
