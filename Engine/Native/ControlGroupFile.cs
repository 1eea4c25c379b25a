using System.Text;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// Reads and writes the files of a control group, where each write(2) is one command and its error number the answer. All failures are
/// <see cref="MigrationException"/>s.
/// </summary>
internal static class ControlGroupFile
{
    /// <summary>Reads the lines of a file.</summary>
    public static string[] ReadLines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Failure(path, "read", exception);
        }
    }

    /// <summary>Whether a file that lists words, such as controllers, names this one.</summary>
    public static bool Lists(string path, string word) => ReadLines(path).Any(line => line.Split(' ').Contains(word));

    /// <summary>Writes a value.</summary>
    public static void Write(string path, string value)
    {
        int errno = TryWrite(path, value);
        if (errno != 0) throw Errno.Failure(errno, "write", $"{path}, '{value}'");
    }

    /// <summary>Writes a process or thread id into a list of members.</summary>
    /// <returns>False where that process or thread has ended.</returns>
    public static bool TryAddMember(string path, int id)
    {
        string value = FormattableString.Invariant($"{id}");
        int errno = TryWrite(path, value);
        if (errno is not (0 or Errno.ESRCH)) throw Errno.Failure(errno, "write", $"{path}, '{value}'");
        return errno == 0;
    }

    /// <summary>Removes a group, first moving whatever is still in it.</summary>
    /// <param name="directory">The group.</param>
    /// <param name="membersFile">Name of its list of members.</param>
    /// <param name="destination">The group to move them to.</param>
    public static void RemoveGroup(string directory, string membersFile, string destination)
    {
        const int attempts = 200;
        for (int attempt = 1; Directory.Exists(directory); attempt++)
        {
            try
            {
                foreach (string line in File.ReadAllLines(Path.Join(directory, membersFile)))
                {
                    TryAddMember(Path.Join(destination, membersFile), int.Parse(line, System.Globalization.CultureInfo.InvariantCulture));
                }

                Directory.Delete(directory);
            }
            catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
            {
                // Somebody else removed it meanwhile; the loop looks whether all of it is gone.
                if (attempt == attempts) throw Failure(directory, "removed", exception);
            }
            catch (IOException) when (attempt < attempts)
            {
                // EBUSY: a member started another thread in between, or is dying and counts until it is gone.
                Thread.Sleep(5);
            }
            catch (IOException exception)
            {
                throw new MigrationException(
                    MigrationErrorReason.InvalidState, $"The control group {directory} cannot be removed.",
                    "Remove the directory once its processes have ended.", exception);
            }
            catch (UnauthorizedAccessException exception)
            {
                throw Failure(directory, "removed", exception);
            }
        }
    }

    private static MigrationException Failure(string path, string what, Exception cause) => cause is UnauthorizedAccessException
        ? new(MigrationErrorReason.AccessDenied, $"{path} of the control group file system may not be {what}.",
            "Run as root, or have the group delegated to the account.", cause)
        : new(MigrationErrorReason.SystemCallFailed, $"{path} of the control group file system cannot be {what}: {cause.Message}", null, cause);

    private static int TryWrite(string path, string value)
    {
        using SafeFileHandle file = OpenFile.ForWriting(path);
        int count = PositionalIo.Write(file, 0, Encoding.ASCII.GetBytes(value));
        return count < 0 ? -count : 0;
    }
}
