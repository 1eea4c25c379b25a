using System.Text;

namespace VmMigration.Cmdlets;

/// <summary>Reads the lines of a serial console from the file that QEMU appends them to.</summary>
internal sealed class SerialConsoleReader : IDisposable
{
    private readonly FileStream file;
    private readonly byte[] buffer = new byte[16 * 1024];
    private readonly Decoder decoder = Encoding.UTF8.GetDecoder();
    private readonly StringBuilder unfinished = new();
    private bool isQuiet;

    /// <param name="path">The file.</param>
    /// <param name="fromEnd">Whether to leave out what is in it already.</param>
    public SerialConsoleReader(string path, bool fromEnd)
    {
        file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (fromEnd) file.Seek(0, SeekOrigin.End);
    }

    /// <summary>
    /// Reads the lines that are new since the last call. A line without an end, a prompt for example, is among them once nothing was
    /// added to it between two calls; it is given again with what follows.
    /// </summary>
    public async Task<IReadOnlyList<string>> ReadNewAsync(CancellationToken cancellationToken)
    {
        List<string> lines = [];
        bool grew = false;
        while (await file.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var count and > 0)
        {
            grew = true;
            char[] characters = new char[decoder.GetCharCount(buffer, 0, count)];
            decoder.GetChars(buffer, 0, count, characters, 0);
            foreach (char character in characters)
            {
                if (character == '\n') lines.Add(TakeUnfinished());
                else unfinished.Append(character);
            }
        }

        if (!grew && !isQuiet && unfinished.Length > 0) lines.Add(unfinished.ToString().TrimEnd('\r'));
        isQuiet = !grew;
        return lines;
    }

    public void Dispose() => file.Dispose();

    private string TakeUnfinished()
    {
        string line = unfinished.ToString().TrimEnd('\r');
        unfinished.Clear();
        return line;
    }
}
