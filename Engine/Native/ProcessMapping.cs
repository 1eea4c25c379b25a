namespace VmMigration.Engine.Native;

/// <summary>One line of /proc/PID/maps (proc_pid_maps(5)).</summary>
/// <param name="Start">First address.</param>
/// <param name="End">Address after the last.</param>
/// <param name="Permissions">Four letters, for example <c>rw-s</c>.</param>
/// <param name="FileOffset">Offset in bytes of the first address in the file.</param>
/// <param name="Inode">Inode of the file; 0 for memory without one.</param>
/// <param name="Path">Path of the file as the kernel shows it, without the mark of a deleted one; empty without a file.</param>
public sealed record ProcessMapping(ulong Start, ulong End, string Permissions, long FileOffset, ulong Inode, string Path)
{
    /// <summary>Size in bytes.</summary>
    public long SizeBytes => (long)(End - Start);

    /// <summary>Whether stores reach the file.</summary>
    public bool IsShared => Permissions.EndsWith('s');
}
