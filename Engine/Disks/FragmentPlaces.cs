namespace VmMigration.Engine.Disks;

/// <summary>
/// Where the files of incomplete disks lie. A transfer writes beside the path its disk is to have, so that rename(2) gives it that name.
/// Fragments lie in the datastore, or beside the disk's path where that is on another mount: moving never copies.
/// </summary>
/// <param name="datastoreDirectory">Absolute path of the datastore.</param>
/// <param name="hostName">Name of the host: hosts that share a datastore keep their fragments apart by it.</param>
/// <param name="files">Knows the mounts.</param>
internal sealed class FragmentPlaces(string datastoreDirectory, string hostName, IFragmentFiles files)
{
    private const string StoreName = ".fragments";

    /// <summary>The datastore's own directory of fragments.</summary>
    public string StoreDirectory { get; } = Path.Combine(datastoreDirectory, StoreName, hostName);

    /// <summary>Where a transfer writes.</summary>
    public static string Arriving(string destinationPath, Guid id) =>
        Path.Combine(Path.GetDirectoryName(destinationPath)!, $".vmmigration-{id:N}");

    /// <summary>Where the fragment of a transfer is kept.</summary>
    public string Kept(string destinationPath, Guid id)
    {
        string parent = Path.GetDirectoryName(destinationPath)!;
        string store = files.SharesMount(parent, datastoreDirectory) ? StoreDirectory : Path.Combine(parent, StoreName, hostName);
        return Path.Combine(store, $"{id:N}");
    }

    /// <summary>Makes the directory of a place of a fragment.</summary>
    public void Make(string place)
    {
        string directory = Path.GetDirectoryName(place)!;
        files.MakeDirectory(directory);
        files.SyncDirectory(Path.GetDirectoryName(directory)!);
    }

    /// <summary>Removes the directories of fragments that a place was the last of; others are left alone.</summary>
    public void Tidy(string place)
    {
        string directory = Path.GetDirectoryName(place)!;
        string parent = Path.GetDirectoryName(directory)!;
        if (Path.GetFileName(parent) != StoreName) return;
        files.RemoveDirectoryIfEmpty(directory);
        files.RemoveDirectoryIfEmpty(parent);
    }
}
