using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>What is mapped where in a process: /proc/PID/maps and /proc/PID/map_files.</summary>
public static class ProcessMaps
{
    private const string DeletedMark = " (deleted)";

    /// <summary>Reads all mappings, in the order of their addresses.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.VmExited"/> where the process is gone, <see cref="MigrationErrorReason.AccessDenied"/> without the
    /// right to look at it.
    /// </exception>
    public static IReadOnlyList<ProcessMapping> Read(int processId)
    {
        try
        {
            return [.. File.ReadLines(Invariant($"/proc/{processId}/maps")).Select(Parse)];
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.AccessDenied, $"The memory map of process {processId} cannot be read.",
                "Run as root or as the account the process runs under.", exception);
        }
        catch (IOException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.VmExited, $"Process {processId} is gone: its memory map cannot be read.", null, exception);
        }
    }

    /// <summary>
    /// Finds the largest range of addresses that maps the file without a gap, joining neighbours that the kernel keeps apart, also where
    /// one may be accessed and the other may not (mprotect(2)); the permissions are those of the first.
    /// </summary>
    /// <param name="processId">Process to look at.</param>
    /// <param name="path">Path of the file as the process opened it; it may have been deleted since.</param>
    /// <returns>Null where the process does not map the file.</returns>
    public static ProcessMapping? FindFile(int processId, string path)
    {
        ProcessMapping? largest = null;
        ProcessMapping? current = null;
        foreach (ProcessMapping mapping in Read(processId))
        {
            if (mapping.Path != path)
            {
                current = null;
                continue;
            }

            bool continues = current is not null && current.End == mapping.Start
                && current.FileOffset + current.SizeBytes == mapping.FileOffset && current.IsShared == mapping.IsShared;
            current = continues ? current! with { End = mapping.End } : mapping;
            if (largest is null || current.SizeBytes > largest.SizeBytes) largest = current;
        }

        return largest;
    }

    /// <summary>
    /// Opens the file behind a mapping for reading and writing, also where it was deleted or has no path in this mount namespace
    /// (memfd). Needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE.
    /// </summary>
    /// <param name="processId">Process that maps the file.</param>
    /// <param name="address">Any address inside the mapping.</param>
    public static SafeFileHandle OpenFileAt(int processId, ulong address)
    {
        ProcessMapping mapping = Read(processId).FirstOrDefault(line => line.Start <= address && address < line.End)
            ?? throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"Process {processId} has nothing mapped at 0x{address:x}.");
        return OpenFile.ForReadingAndWriting(Invariant($"/proc/{processId}/map_files/{mapping.Start:x}-{mapping.End:x}"));
    }

    /// <summary>Parses one line of /proc/PID/maps.</summary>
    internal static ProcessMapping Parse(string line)
    {
        // start-end perms offset device inode [path, which may hold blanks]
        string[] fields = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries);
        int dash = fields[0].IndexOf('-', StringComparison.Ordinal);
        string path = fields.Length == 6 ? fields[5].TrimStart() : "";
        if (path.EndsWith(DeletedMark, StringComparison.Ordinal)) path = path[..^DeletedMark.Length];
        return new(
            Hexadecimal(fields[0].AsSpan(0, dash)),
            Hexadecimal(fields[0].AsSpan(dash + 1)),
            fields[1],
            (long)Hexadecimal(fields[2]),
            ulong.Parse(fields[4], CultureInfo.InvariantCulture),
            path.Replace("\\012", "\n", StringComparison.Ordinal));
    }

    private static ulong Hexadecimal(ReadOnlySpan<char> digits) =>
        ulong.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
