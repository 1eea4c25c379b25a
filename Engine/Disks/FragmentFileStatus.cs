namespace VmMigration.Engine.Disks;

/// <summary>What is known of a file without opening it.</summary>
/// <param name="SizeBytes">Length.</param>
/// <param name="AllocatedBytes">Bytes it takes on its file system.</param>
/// <param name="ModifiedNanoseconds">Last change of the contents, nanoseconds since 1970; moving does not change it.</param>
/// <param name="IsRegular">Whether it is a regular file, no link, directory or device.</param>
internal readonly record struct FragmentFileStatus(long SizeBytes, long AllocatedBytes, long ModifiedNanoseconds, bool IsRegular);
