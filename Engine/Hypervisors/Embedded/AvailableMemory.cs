using System.Globalization;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>How much memory this process could still use.</summary>
internal static class AvailableMemory
{
    private const string LinuxMemoryInfo = "/proc/meminfo";

    /// <summary>
    /// Bytes that can be had without swapping: MemAvailable of proc_meminfo(5) on Linux, elsewhere what was free at the last garbage
    /// collection. Never more than the limit of the process (a container's, for one).
    /// </summary>
    public static long ReadBytes()
    {
        GCMemoryInfo info = GC.GetGCMemoryInfo();
        if (!File.Exists(LinuxMemoryInfo)) return Math.Max(0, info.TotalAvailableMemoryBytes - info.MemoryLoadBytes);
        return Math.Min(info.TotalAvailableMemoryBytes, ParseAvailable(File.ReadLines(LinuxMemoryInfo)));
    }

    /// <summary>Finds MemAvailable among the lines, in bytes.</summary>
    internal static long ParseAvailable(IEnumerable<string> lines)
    {
        const string field = "MemAvailable:";
        foreach (string line in lines)
        {
            if (!line.StartsWith(field, StringComparison.Ordinal)) continue;
            string number = line[field.Length..].Replace("kB", null, StringComparison.Ordinal);
            if (long.TryParse(number.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long kib)) return kib * 1024;
        }

        throw new MigrationException(
            MigrationErrorReason.SystemCallFailed, $"{LinuxMemoryInfo} names no {field.TrimEnd(':')}, so the available memory is unknown.");
    }
}
