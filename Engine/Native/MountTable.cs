using System.Globalization;
using System.Text.RegularExpressions;

namespace VmMigration.Engine.Native;

/// <summary>What is mounted where in this mount namespace: /proc/self/mountinfo (proc_pid_mountinfo(5)).</summary>
internal static partial class MountTable
{
    /// <summary>Reads all mounts, those that hide others after them.</summary>
    public static IReadOnlyList<MountEntry> Read() => [.. File.ReadLines("/proc/self/mountinfo").Select(Parse)];

    /// <summary>Finds what is mounted on exactly this directory; null where nothing is.</summary>
    public static MountEntry? FindAt(string directory) => Read().LastOrDefault(mount => mount.MountPoint == directory);

    /// <summary>Finds the mount that a path lies on.</summary>
    /// <param name="path">A full path without symbolic links.</param>
    public static MountEntry? FindHolding(string path) => Read()
        .Where(mount => mount.MountPoint == "/" || path == mount.MountPoint || path.StartsWith(mount.MountPoint + '/', StringComparison.Ordinal))
        .MaxBy(mount => mount.MountPoint.Length);

    /// <summary>Parses one line.</summary>
    internal static MountEntry Parse(string line)
    {
        // id parent major:minor root mount-point options [optional fields] - type source super-options
        string[] fields = line.Split(' ');
        int separator = Array.IndexOf(fields, "-", 6);
        return new(Unescape(fields[4]), fields[separator + 1], Unescape(fields[separator + 2]), fields[separator + 3]);
    }

    // Blank, tab, newline and backslash are written as a backslash and three octal digits.
    private static string Unescape(string text) => OctalEscape().Replace(
        text, match => ((char)Convert.ToInt32(match.Groups[1].Value, 8)).ToString(CultureInfo.InvariantCulture));

    [GeneratedRegex(@"\\([0-7]{3})")]
    private static partial Regex OctalEscape();
}
