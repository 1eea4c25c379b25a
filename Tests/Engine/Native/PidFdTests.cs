using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

public class PidFdTests
{
    [Fact]
    public async Task Exit_of_each_of_many_processes_is_noticed()
    {
        ForeignProcess[] processes = [.. Enumerable.Range(0, 8).Select(_ => ForeignProcess.Sleeping())];
        try
        {
            Task[] exits = [.. processes.Select(process => process.PidFd.Exited)];
            Assert.All(exits, exit => Assert.False(exit.IsCompleted));
            Assert.All(processes, process => Assert.False(process.PidFd.HasExited));
            for (int index = 0; index < processes.Length; index += 2) processes[index].PidFd.SendSignal(PidFd.SignalKill);
            for (int index = 0; index < processes.Length; index += 2)
            {
                await exits[index].WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
                Assert.True(processes[index].PidFd.HasExited);
                Assert.False(exits[index + 1].IsCompleted);
            }
        }
        finally
        {
            foreach (ForeignProcess process in processes) process.Dispose();
        }
    }

    [Fact]
    public void Process_that_does_not_exist_is_VmExited()
    {
        var exception = Assert.Throws<MigrationException>(() => PidFd.Open(0x3fffff));
        Assert.Equal(MigrationErrorReason.VmExited, exception.Reason);
    }

    [Fact]
    public void Descriptor_of_another_process_reads_the_same_file()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "shared");
            using ForeignProcess process = ForeignProcess.Start($"exec sleep 1000 5<{path}");
            Eventually.Holds(() => File.Exists($"/proc/{process.Id}/fd/5"));
            using SafeFileHandle file = process.PidFd.GetFd(5);
            var content = new byte[6];
            Assert.Equal(6, RandomAccess.Read(file, content, 0));
            Assert.Equal("shared"u8.ToArray(), content);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Descriptor_that_is_not_open_there_fails_with_call_errno_and_arguments()
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        var exception = Assert.ThrowsAny<MigrationException>(() => process.PidFd.GetFd(777));
        Assert.Equal(MigrationErrorReason.SystemCallFailed, exception.Reason);
        Assert.Contains("pidfd_getfd", exception.Message, StringComparison.Ordinal);
        Assert.Contains("EBADF", exception.Message, StringComparison.Ordinal);
        Assert.Contains("777", exception.Message, StringComparison.Ordinal);
    }
}
