namespace VmMigration.Engine.Native;

/// <summary>One mount.</summary>
/// <param name="MountPoint">The directory it is on.</param>
/// <param name="FileSystemType">For example <c>tmpfs</c>.</param>
/// <param name="Source">The device, or whatever name the mount was given.</param>
/// <param name="Options">Options of the file system, separated by commas.</param>
internal sealed record MountEntry(string MountPoint, string FileSystemType, string Source, string Options)
{
    /// <summary>Whether a tmpfs gives its files large pages without being asked file by file.</summary>
    public bool GivesHugePages =>
        FileSystemType == "tmpfs" && Options.Split(',').Any(option => option is "huge=always" or "huge=within_size");
}
