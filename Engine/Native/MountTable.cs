using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>What is mounted where in this mount namespace: /proc/self/mountinfo (proc_pid_mountinfo(5)).</summary>
internal static partial class MountTable
{
    /// <summary>Reads all mounts, those that hide others after them.</summary>
    public static IReadOnlyList<MountEntry> Read() => [.. File.ReadLines("/proc/self/mountinfo").Select(Parse)];

    /// <summary>Finds what is mounted on exactly this directory; null where nothing is, or where there is no such directory.</summary>
    public static MountEntry? FindAt(string directory)
    {
        if (!Directory.Exists(directory)) return null;
        string resolved = Resolve(directory);
        return Read().LastOrDefault(mount => mount.MountPoint == resolved);
    }

    /// <summary>Finds the mount that an existing file or directory lies on.</summary>
    public static MountEntry? FindHolding(string path)
    {
        string resolved = Resolve(path);
        return Read().Where(mount => Holds(mount.MountPoint, resolved)).MaxBy(mount => mount.MountPoint.Length);
    }

    /// <summary>Parses one line.</summary>
    internal static MountEntry Parse(string line)
    {
        // id parent major:minor root mount-point options [optional fields] - type source super-options
        string[] fields = line.Split(' ');
        int separator = Array.IndexOf(fields, "-", 6);
        return new(Unescape(fields[4]), fields[separator + 1], Unescape(fields[separator + 2]), fields[separator + 3]);
    }

    private static bool Holds(string mountPoint, string path) =>
        mountPoint == "/" || path == mountPoint || path.StartsWith(mountPoint + '/', StringComparison.Ordinal);

    // The table knows no symbolic links; the kernel's own name for an open file has none.
    private static string Resolve(string path)
    {
        using SafeFileHandle file = OpenFile.ForReading(path);
        using var reference = new DescriptorReference(file);
        string link = string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{reference.Descriptor}");
        return new FileInfo(link).LinkTarget!;
    }

    // Blank, tab, newline and backslash are written as a backslash and three octal digits.
    private static string Unescape(string text) => OctalEscape().Replace(
        text, match => ((char)Convert.ToInt32(match.Groups[1].Value, 8)).ToString(CultureInfo.InvariantCulture));

    [GeneratedRegex(@"\\([0-7]{3})")]
    private static partial Regex OctalEscape();
}
