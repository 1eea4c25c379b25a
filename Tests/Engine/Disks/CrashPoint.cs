using VmMigration.Engine.Disks;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>
/// Ends an engine after a number of steps: the step after them and all later ones throw, whatever the engine tries. Records and files count
/// together, in the order they are written.
/// </summary>
internal sealed class CrashPoint(int stepsBefore)
{
    private int steps;

    /// <summary>Steps that were taken.</summary>
    public int Steps => steps;

    public ITransferRecords Wrap(ITransferRecords records) => new CrashingRecords(records, this);

    public IFragmentFiles Wrap(IFragmentFiles files) => new CrashingFiles(files, this);

    private void Step()
    {
        if (steps >= stepsBefore) throw new CrashException();
        steps++;
    }

    /// <summary>Stands for the end of the process.</summary>
    internal sealed class CrashException : Exception;

    private sealed class CrashingRecords(ITransferRecords inner, CrashPoint crash) : ITransferRecords
    {
        public void Save(TransferRecord record)
        {
            crash.Step();
            inner.Save(record);
        }

        public void Replace(Guid formerId, TransferRecord record)
        {
            crash.Step();
            inner.Replace(formerId, record);
        }

        public void SaveProgress(Guid id, long offsetBytes, long fileBytes, string digest)
        {
            crash.Step();
            inner.SaveProgress(id, offsetBytes, fileBytes, digest);
        }

        public void Delete(Guid id)
        {
            crash.Step();
            inner.Delete(id);
        }

        public TransferRecord? Find(Guid id) => inner.Find(id);

        public IReadOnlyList<TransferRecord> ReadAll() => inner.ReadAll();
    }

    private sealed class CrashingFiles(IFragmentFiles inner, CrashPoint crash) : IFragmentFiles
    {
        public FragmentFileStatus? Find(string path) => inner.Find(path);

        public bool IsSameDirectory(string directory, string other) => inner.IsSameDirectory(directory, other);

        public bool SharesMount(string directory, string other) => inner.SharesMount(directory, other);

        public long CountAvailableBytes(string directory) => inner.CountAvailableBytes(directory);

        public Stream OpenRead(string path) => inner.OpenRead(path);

        public IReadOnlyList<string> List(string directory) => inner.List(directory);

        public void MakeDirectory(string path)
        {
            crash.Step();
            inner.MakeDirectory(path);
        }

        public void RemoveDirectoryIfEmpty(string path)
        {
            crash.Step();
            inner.RemoveDirectoryIfEmpty(path);
        }

        public bool TryMove(string from, string to, bool replace)
        {
            crash.Step();
            return inner.TryMove(from, to, replace);
        }

        public void GrantAccess(string path, string destinationPath, bool replaces)
        {
            crash.Step();
            inner.GrantAccess(path, destinationPath, replaces);
        }

        public void Delete(string path)
        {
            crash.Step();
            inner.Delete(path);
        }

        public void SyncDirectory(string path)
        {
            crash.Step();
            inner.SyncDirectory(path);
        }
    }
}
