namespace VmMigration.Engine.Disks;

/// <summary>
/// A raw disk to try transfers with, where nothing is installed that makes one: extents of random data and holes in turn, so that half of it
/// takes no room. Equal sizes make equal contents.
/// </summary>
public static class DemoDisk
{
    /// <summary>Name of its file.</summary>
    public const string FileName = "demo.raw";

    private const int ExtentBytes = 8 << 20;
    private const int Seed = 1;

    /// <summary>Makes the disk in a directory; one that is there with this size stays as it is.</summary>
    /// <param name="directory">The directory, which is there.</param>
    /// <param name="sizeBytes">Size of the disk, above 0; any number.</param>
    /// <param name="cancellationToken">Cancels the call; nothing is left then.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where a file of another size has the name; <see cref="MigrationErrorReason.AccessDenied"/>
    /// or <see cref="MigrationErrorReason.OutOfSpace"/> where it cannot be written.
    /// </exception>
    public static async Task MakeAsync(string directory, long sizeBytes, CancellationToken cancellationToken)
    {
        string path = Path.Combine(directory, FileName);
        var present = new FileInfo(path);
        if (present.Exists && present.Length == sizeBytes) return;
        if (present.Exists)
        {
            throw new MigrationException(MigrationErrorReason.InvalidState,
                $"'{path}' is there already with {present.Length} bytes, not {sizeBytes}.", "Remove it, or ask for the size it has.");
        }

        string unfinished = path + ".unfinished";
        try
        {
            await WriteAsync(unfinished, sizeBytes, cancellationToken).ConfigureAwait(false);
            File.Move(unfinished, path);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new MigrationException(MigrationErrorReason.AccessDenied, $"The demo disk '{path}' cannot be made: {e.Message}",
                "Name a datastore that this user may write.", e);
        }
        catch (IOException e)
        {
            throw new MigrationException(MigrationErrorReason.OutOfSpace, $"The demo disk '{path}' cannot be written: {e.Message}",
                "Make room, or ask for a smaller one.", e);
        }
        finally
        {
            File.Delete(unfinished);
        }
    }

    private static async Task WriteAsync(string path, long sizeBytes, CancellationToken cancellationToken)
    {
        var random = new Random(Seed);
        byte[] data = new byte[ExtentBytes];
        FileStream file = new(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0, FileOptions.Asynchronous);
        await using (file.ConfigureAwait(false))
        {
            file.SetLength(sizeBytes);
            for (long offset = 0; offset < sizeBytes; offset += 2L * ExtentBytes)
            {
                random.NextBytes(data);
                file.Position = offset;
                await file.WriteAsync(data.AsMemory(0, (int)Math.Min(ExtentBytes, sizeBytes - offset)), cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
