using System.Text;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Reads what a QEMU process reported before it ended.</summary>
internal static class QemuLog
{
    private const int TailBytes = 4096;
    private const int TailLines = 5;

    /// <summary>The last lines of a log in one line, without the program's name in front; empty where there is none.</summary>
    public static string ReadTail(string? path)
    {
        if (path is null || !File.Exists(path)) return "";
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        file.Seek(-Math.Min(TailBytes, file.Length), SeekOrigin.End);
        using var reader = new StreamReader(file, Encoding.UTF8);
        return Shorten(reader.ReadToEnd());
    }

    /// <summary>The last lines of a text in one line.</summary>
    public static string Shorten(string text) => string.Join(" / ", text
        .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .Select(WithoutProgram)
        .TakeLast(TailLines));

    private static string WithoutProgram(string line)
    {
        int colon = line.IndexOf(": ", StringComparison.Ordinal);
        return colon > 0 && line.StartsWith("qemu", StringComparison.Ordinal) ? line[(colon + 2)..] : line;
    }
}
