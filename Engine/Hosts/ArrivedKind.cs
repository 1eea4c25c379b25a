namespace VmMigration.Engine.Hosts;

/// <summary>What there is at the path that an image of a VM is to come to.</summary>
internal enum ArrivedKind
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>No file.</summary>
    Nothing = 1,

    /// <summary>All of the image, brought by an earlier try and unchanged since, as the source's is.</summary>
    Complete = 2,

    /// <summary>An image that an earlier try brought and no VM uses; the source's has changed since.</summary>
    Outdated = 3,

    /// <summary>A file of somebody else.</summary>
    Foreign = 4,
}
