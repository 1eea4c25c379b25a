using System.Globalization;

namespace VmMigration.Engine.Native;

/// <summary>How a range of a process's memory is mapped, from /proc/PID/smaps (proc_pid_smaps(5)).</summary>
internal static class LargePageUse
{
    /// <summary>Bytes of each kind.</summary>
    /// <param name="MappedBytes">What is in the page tables, by whatever pages.</param>
    /// <param name="LargeBytes">What of it is mapped by pages of 2 MiB or more.</param>
    internal readonly record struct Amount(long MappedBytes, long LargeBytes);

    /// <summary>Adds up the mappings that touch a range: a block of memory can be split over several.</summary>
    /// <param name="processId">The process.</param>
    /// <param name="start">First address.</param>
    /// <param name="end">Address after the last.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.VmExited"/> where the process is gone, <see cref="MigrationErrorReason.AccessDenied"/> without the
    /// right to look at it.
    /// </exception>
    public static Amount Read(int processId, ulong start, ulong end)
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/smaps");
        try
        {
            return Parse(File.ReadLines(path), start, end);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.AccessDenied, $"{path} cannot be read.", "Run as root or as the account the process runs under.",
                exception);
        }
        catch (IOException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.VmExited, $"Process {processId} is gone: {path} cannot be read.", null, exception);
        }
    }

    /// <summary>Adds up the lines of an smaps file.</summary>
    internal static Amount Parse(IEnumerable<string> lines, ulong start, ulong end)
    {
        long mappedKib = 0;
        long largeKib = 0;
        bool inside = false;
        foreach (string line in lines)
        {
            // "Name:   123 kB" within a mapping; its first line begins with the addresses in small hexadecimal digits.
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (!char.IsAsciiLetterUpper(line[0]))
            {
                ProcessMapping mapping = ProcessMaps.Parse(line);
                inside = mapping.Start < end && mapping.End > start;
            }
            else if (inside)
            {
                switch (line.AsSpan(0, colon))
                {
                    case "Rss":
                        mappedKib += Kibibytes(line, colon);
                        break;
                    case "AnonHugePages" or "ShmemPmdMapped" or "FilePmdMapped":
                        largeKib += Kibibytes(line, colon);
                        break;
                    // Not counted in Rss.
                    case "Shared_Hugetlb" or "Private_Hugetlb":
                        mappedKib += Kibibytes(line, colon);
                        largeKib += Kibibytes(line, colon);
                        break;
                }
            }
        }

        return new(mappedKib << 10, largeKib << 10);
    }

    private static long Kibibytes(string line, int colon) =>
        long.Parse(line.AsSpan(colon + 1)[..^2].Trim(), NumberStyles.None, CultureInfo.InvariantCulture);
}
