using System.Globalization;
using System.Security.Cryptography;
using VmMigration.Engine.Native;

namespace VmMigration.Performance.Disks;

/// <summary>
/// The directory of one comparison, with the image that is copied. It goes with the comparison; what one that was killed has left goes with
/// the next one in the same place.
/// </summary>
internal sealed class DiskScratch : IDisposable
{
    // Of nothing else: what begins with it is removed once the process is gone whose number follows.
    private const string NamePrefix = "vmm-disk-comparison-";
    private const int PieceBytes = 64 << 10;
    private const int MostPieces = 512;

    private DiskScratch(string root, long sizeBytes)
    {
        Root = root;
        SizeBytes = sizeBytes;
    }

    /// <summary>Absolute path of the directory.</summary>
    public string Root { get; }

    /// <summary>Size of the image.</summary>
    public long SizeBytes { get; }

    /// <summary>Absolute path of the image.</summary>
    public string ImagePath => Path.Combine(Root, "image.raw");

    /// <summary>Makes the directory and an image of which half is random data and half holes, in runs of 64 KiB to 32 MiB.</summary>
    /// <param name="directory">Where; null takes the system's temporary directory.</param>
    /// <param name="sizeMiB">Size of the image.</param>
    /// <param name="cancellationToken">Cancels the call; nothing is left then.</param>
    public static async Task<DiskScratch> CreateAsync(string? directory, int sizeMiB, CancellationToken cancellationToken)
    {
        string parent = Path.GetFullPath(directory ?? Path.GetTempPath());
        foreach (string leftover in Directory.GetDirectories(parent, NamePrefix + "*").Where(IsOfDeadProcess))
        {
            Directory.Delete(leftover, recursive: true);
        }

        string name = string.Create(
            CultureInfo.InvariantCulture, $"{NamePrefix}{Environment.ProcessId}-{RandomNumberGenerator.GetHexString(6, lowercase: true)}");
        var scratch = new DiskScratch(Directory.CreateDirectory(Path.Combine(parent, name)).FullName, (long)sizeMiB << 20);
        try
        {
            await scratch.WriteImageAsync(cancellationToken);
            return scratch;
        }
        catch
        {
            scratch.Dispose();
            throw;
        }
    }

    /// <summary>Makes a directory in it.</summary>
    public string MakeDirectory(string name) => Directory.CreateDirectory(Path.Combine(Root, name)).FullName;

    /// <summary>What a run is to find: the image in the page cache, and nothing of the runs before it still on its way to the storage.</summary>
    public void Prepare()
    {
        byte[] buffer = new byte[1 << 20];
        using (var image = new FileStream(ImagePath, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0))
        {
            while (image.Read(buffer) > 0)
            {
            }
        }

        SyncFileSystem();
    }

    /// <summary>Whether a file holds what the image holds.</summary>
    public bool IsCopied(string path)
    {
        using var image = new FileStream(ImagePath, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        using var copy = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        byte[] expected = new byte[1 << 20];
        byte[] found = new byte[1 << 20];
        while (true)
        {
            int count = image.ReadAtLeast(expected, expected.Length, throwOnEndOfStream: false);
            if (copy.ReadAtLeast(found, found.Length, throwOnEndOfStream: false) != count) return false;
            if (!expected.AsSpan(0, count).SequenceEqual(found.AsSpan(0, count))) return false;
            if (count == 0) return true;
        }
    }

    /// <summary>Bytes a file takes on its file system.</summary>
    public static long CountAllocated(string path) => FileStatus.TryRead(path)!.Value.AllocatedBytes;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Root, recursive: true);

    private void SyncFileSystem()
    {
        using var sync = System.Diagnostics.Process.Start("sync", ["-f", Root]);
        sync.WaitForExit();
    }

    private async Task WriteImageAsync(CancellationToken cancellationToken)
    {
        var random = new Random(1);
        byte[] data = new byte[MostPieces * PieceBytes];
        await using var image = new FileStream(ImagePath, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        image.SetLength(SizeBytes);
        for (long offset = 0; offset < SizeBytes;)
        {
            // As long a hole follows.
            int length = (int)Math.Min((random.Next(MostPieces) + 1) * PieceBytes, (SizeBytes - offset + 1) / 2);
            random.NextBytes(data.AsSpan(0, length));
            image.Position = offset;
            await image.WriteAsync(data.AsMemory(0, length), cancellationToken);
            offset += 2L * length;
        }
    }

    private static bool IsOfDeadProcess(string path) =>
        int.TryParse(Path.GetFileName(path)[NamePrefix.Length..].Split('-')[0], NumberStyles.None, CultureInfo.InvariantCulture, out int processId)
        && !Directory.Exists(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}"));
}
