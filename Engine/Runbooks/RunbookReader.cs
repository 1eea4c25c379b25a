using System.Text;
using VmMigration.Engine.Runbooks.Reading;

namespace VmMigration.Engine.Runbooks;

/// <summary>
/// Reads runbooks. Whatever the input, the answer is a runbook or diagnostics with line, column and hint, never an exception.
/// </summary>
/// <param name="catalog">The cmdlets that runbooks may run.</param>
public sealed class RunbookReader(StepCatalog catalog)
{
    /// <summary>The only <c>apiVersion</c> there is so far.</summary>
    public const string ApiVersion = "vm-migration/v1";

    /// <summary>The only <c>kind</c> there is so far.</summary>
    public const string Kind = "MigrationRunbook";

    /// <summary>Largest file that is read, in bytes.</summary>
    public const int MaxFileBytes = 1024 * 1024;

    /// <summary>Reads a runbook from a file in UTF-8.</summary>
    public RunbookReading ReadFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using FileStream file = File.OpenRead(path);
            byte[] bytes = new byte[MaxFileBytes + 1];
            int count = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return Read(bytes.AsSpan(0, count), path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            var diagnostics = new DiagnosticBag(path);
            diagnostics.Add(SourceLocation.Start, "FileNotReadable", $"The runbook cannot be read: {failure.Message}",
                "Check the path and the right to read it.");
            return new(null, diagnostics.Sorted);
        }
    }

    /// <summary>Reads a runbook from bytes in UTF-8, with or without a byte order mark.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <param name="file">What diagnostics call the file.</param>
    public RunbookReading Read(ReadOnlySpan<byte> utf8, string file)
    {
        var diagnostics = new DiagnosticBag(file);
        if (utf8.Length > MaxFileBytes)
        {
            diagnostics.Add(SourceLocation.Start, "FileTooLarge", $"The runbook is larger than {MaxFileBytes} bytes.",
                "Split it into several runbooks.");
            return new(null, diagnostics.Sorted);
        }

        if (utf8.StartsWith(Encoding.UTF8.Preamble)) utf8 = utf8[Encoding.UTF8.Preamble.Length..];
        int invalid = FindInvalidByte(utf8);
        if (invalid < 0) return Read(Encoding.UTF8.GetString(utf8), file);

        ReadOnlySpan<byte> before = utf8[..invalid];
        int lineStart = before.LastIndexOf((byte)'\n') + 1;
        var location = new SourceLocation(before.Count((byte)'\n') + 1, Encoding.UTF8.GetCharCount(before[lineStart..]) + 1);
        diagnostics.Add(location, "NotUtf8", $"The byte 0x{utf8[invalid]:X2} is not UTF-8.", "Save the file as UTF-8.");
        return new(null, diagnostics.Sorted);
    }

    /// <summary>Reads a runbook from text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="file">What diagnostics call the file.</param>
    public RunbookReading Read(string text, string file)
    {
        ArgumentNullException.ThrowIfNull(text);
        var diagnostics = new DiagnosticBag(file);
        YamlNode? root = new YamlLoader(text, diagnostics).Load();
        Runbook? runbook = root is null ? null : new DocumentReader(text, file, catalog, diagnostics).Read(root);
        return new(diagnostics.IsEmpty ? runbook : null, diagnostics.Sorted);
    }

    private static int FindInvalidByte(ReadOnlySpan<byte> utf8)
    {
        int position = 0;
        while (position < utf8.Length)
        {
            if (Rune.DecodeFromUtf8(utf8[position..], out _, out int consumed) != System.Buffers.OperationStatus.Done) return position;
            position += consumed;
        }

        return -1;
    }
}
