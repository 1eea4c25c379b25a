using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>
/// A mapping of this process whose first writes an engine thread of the same process handles. It is stored to by system calls alone: a
/// managed thread that waits in one does not keep the garbage collector waiting, one in a page fault of its own would.
/// </summary>
internal sealed class TracedMapping(RamFile ram) : IDisposable
{
    private readonly SafeFileHandle source = OpenFile.ForReading("/dev/zero");

    public WriteTrace Arm(int granularityBytes)
    {
        Userfaultfd userfaultfd = Userfaultfd.Create(SyncWriteTrace.RequiredFeatures, kernelModeFaults: true);
        try
        {
            return new SyncWriteTrace(userfaultfd, ram.Self, ram.Address, ram.SizeBytes, granularityBytes);
        }
        catch
        {
            userfaultfd.Dispose();
            throw;
        }
    }

    /// <summary>Stores a byte, on a thread of its own.</summary>
    public Thread StoreOnThread(long offset)
    {
        var thread = new Thread(() =>
        {
            if (PositionalIo.Read(source, 0, ram.Guest.Slice(offset, 1)) != 1) throw new InvalidOperationException("Nothing was stored.");
        });
        thread.Start();
        return thread;
    }

    public void Dispose() => source.Dispose();
}
