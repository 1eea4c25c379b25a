namespace VmMigration.Engine.Disks;

/// <summary>What is done to the files of incomplete disks. Each call is one step: it has happened when it returns, or has not when it throws.</summary>
internal interface IFragmentFiles
{
    /// <summary>Sizes and last change of a file; null where nothing has the path.</summary>
    FragmentFileStatus? Find(string path);

    /// <summary>Whether two paths lead to one directory.</summary>
    bool IsSameDirectory(string directory, string other);

    /// <summary>Whether rename(2) leads from one directory to the other.</summary>
    bool SharesMount(string directory, string other);

    /// <summary>Bytes an unprivileged process may still write to the directory's file system (statvfs(3)).</summary>
    long CountAvailableBytes(string directory);

    /// <summary>Opens a file for reading.</summary>
    Stream OpenRead(string path);

    /// <summary>Makes a directory that only its owner may enter; does nothing where it is there.</summary>
    void MakeDirectory(string path);

    /// <summary>Removes a directory where it is there and empty.</summary>
    void RemoveDirectoryIfEmpty(string path);

    /// <summary>Paths of the files in a directory; none where it is not there.</summary>
    IReadOnlyList<string> List(string directory);

    /// <summary>Moves a file on its file system; one that has the name is replaced where that is allowed.</summary>
    /// <returns>False where another file has the name and may not be replaced: nothing is moved then.</returns>
    bool TryMove(string from, string to, bool replace);

    /// <summary>Gives a file the owner and the permissions it is to have under its final name, for good.</summary>
    /// <param name="path">The file.</param>
    /// <param name="destinationPath">The final name.</param>
    /// <param name="replaces">Whether a file that has it is replaced, and so is the model.</param>
    void GrantAccess(string path, string destinationPath, bool replaces);

    /// <summary>Removes a file; does nothing where it is not there.</summary>
    void Delete(string path);

    /// <summary>Returns once the directory's names are on the storage (fsync(2)); does nothing where it is not there.</summary>
    void SyncDirectory(string path);
}
