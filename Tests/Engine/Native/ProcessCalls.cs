using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

/// <summary>What a test has another process do by injected system calls.</summary>
internal static class ProcessCalls
{
    /// <summary>Maps shared memory without a file there; returns its address.</summary>
    public static ulong MapShared(ForeignProcess process, ulong sizeBytes)
    {
        const int callMmap = 9;
        const ulong readAndWrite = 3;
        const ulong sharedAnonymous = 0x21;
        long address = Ptrace.WhileStopped(process.PidFd, stopped => stopped.Call(
            callMmap, 0, sizeBytes, readAndWrite, sharedAnonymous, ulong.MaxValue, 0));
        Assert.InRange(address, 1, long.MaxValue);
        return (ulong)address;
    }

    /// <summary>Has the process store to its own memory through uname(2), which takes the page fault in its name.</summary>
    public static void WriteAt(ForeignProcess process, ulong address)
    {
        const int callUname = 63;
        Assert.Equal(0, Ptrace.WhileStopped(process.PidFd, stopped => stopped.Call(callUname, address)));
    }
}
