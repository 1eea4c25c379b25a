using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

public sealed class PtraceTests : IDisposable
{
    private const int CallGetPid = 39;
    private const int SignalUser1 = 10;
    private const int SignalContinue = 18;
    private const int SignalStop = 19;

    private readonly DirectoryInfo scratch = Directory.CreateTempSubdirectory("vmmigration-ptrace-");

    public void Dispose() => scratch.Delete(recursive: true);

    [Fact]
    public void Injected_call_runs_in_the_other_process_which_then_sleeps_on()
    {
        using ForeignProcess sleeper = ForeignProcess.Sleeping();
        long id = Ptrace.WhileStopped(sleeper.PidFd, stopped => stopped.Call(CallGetPid));
        Assert.Equal(sleeper.Id, id);
        Eventually.Holds(() => sleeper.State == 'S');
        Assert.False(sleeper.PidFd.HasExited);
    }

    [Fact]
    public void Failing_call_returns_its_negative_error_number()
    {
        const int callClose = 3;
        using ForeignProcess sleeper = ForeignProcess.Sleeping();
        Assert.Equal(-Errno.EBADF, Ptrace.WhileStopped(sleeper.PidFd, stopped => stopped.Call(callClose, 12345)));
    }

    [Fact]
    public void Process_computes_the_same_result_through_two_hundred_injections()
    {
        string result = Path.Combine(scratch.FullName, "result");
        using ForeignProcess worker = ForeignProcess.Start(
            $"i=0; s=0; while [ $i -lt 400000 ]; do i=$((i+1)); s=$((s+i%7)); done; echo $s > {result}.part; mv {result}.part {result}; exec sleep 1000");
        for (int round = 0; round < 200 && !File.Exists(result); round++)
        {
            Assert.Equal(worker.Id, Ptrace.WhileStopped(worker.PidFd, stopped => stopped.Call(CallGetPid)));
        }

        Eventually.Holds(() => File.Exists(result));
        long expected = 0;
        for (int number = 1; number <= 400_000; number++) expected += number % 7;
        Assert.Equal(expected.ToString(System.Globalization.CultureInfo.InvariantCulture), File.ReadAllText(result).Trim());
    }

    [Fact]
    public void Signal_that_arrives_between_two_calls_is_delivered_afterwards()
    {
        string mark = Path.Combine(scratch.FullName, "signalled");
        string ready = Path.Combine(scratch.FullName, "ready");
        using ForeignProcess worker = ForeignProcess.Start($"trap 'echo x > {mark}' USR1; while :; do echo r > {ready}; done");
        Eventually.Holds(() => File.Exists(ready));
        Ptrace.WhileStopped(worker.PidFd, stopped =>
        {
            Assert.Equal(worker.Id, stopped.Call(CallGetPid));
            Assert.True(worker.PidFd.SendSignal(SignalUser1));
            Assert.Equal(worker.Id, stopped.Call(CallGetPid));
            Assert.False(File.Exists(mark));
            return 0;
        });
        Eventually.Holds(() => File.Exists(mark));
        Assert.False(worker.PidFd.HasExited);
    }

    [Fact]
    public void Process_in_a_group_stop_takes_the_call_and_stays_stopped()
    {
        using ForeignProcess sleeper = ForeignProcess.Sleeping();
        sleeper.PidFd.SendSignal(SignalStop);
        Eventually.Holds(() => sleeper.State == 'T');
        Assert.Equal(sleeper.Id, Ptrace.WhileStopped(sleeper.PidFd, stopped => stopped.Call(CallGetPid)));
        Eventually.Holds(() => sleeper.State == 'T');
        sleeper.PidFd.SendSignal(SignalContinue);
        Eventually.Holds(() => sleeper.State == 'S');
    }

    [Fact]
    public void Stop_signal_in_between_takes_effect_afterwards()
    {
        using ForeignProcess sleeper = ForeignProcess.Sleeping();
        Ptrace.WhileStopped(sleeper.PidFd, stopped =>
        {
            sleeper.PidFd.SendSignal(SignalStop);
            Assert.Equal(sleeper.Id, stopped.Call(CallGetPid));
            Assert.Equal(sleeper.Id, stopped.Call(CallGetPid));
            return 0;
        });
        Eventually.Holds(() => sleeper.State == 'T');
        sleeper.PidFd.SendSignal(SignalContinue);
        Eventually.Holds(() => sleeper.State == 'S');
    }

    [Fact]
    public void Death_in_between_is_reported_as_VmExited()
    {
        using ForeignProcess sleeper = ForeignProcess.Sleeping();
        var exception = Assert.ThrowsAny<MigrationException>(() => Ptrace.WhileStopped(sleeper.PidFd, stopped =>
        {
            sleeper.PidFd.SendSignal(PidFd.SignalKill);
            return stopped.Call(CallGetPid);
        }));
        Assert.Equal(MigrationErrorReason.VmExited, exception.Reason);
    }

    [Fact]
    public void Process_that_ended_before_is_VmExited()
    {
        using ForeignProcess sleeper = ForeignProcess.Sleeping();
        sleeper.PidFd.SendSignal(PidFd.SignalKill);
        Eventually.Holds(() => sleeper.PidFd.HasExited);
        var exception = Assert.ThrowsAny<MigrationException>(
            () => Ptrace.WhileStopped(sleeper.PidFd, stopped => stopped.Call(CallGetPid)));
        Assert.Equal(MigrationErrorReason.VmExited, exception.Reason);
    }

    [Fact]
    public void Failure_of_the_work_leaves_the_process_running_and_free_to_trace()
    {
        using ForeignProcess sleeper = ForeignProcess.Sleeping();
        Assert.Throws<InvalidOperationException>(
            () => Ptrace.WhileStopped<int>(sleeper.PidFd, _ => throw new InvalidOperationException("on purpose")));
        Eventually.Holds(() => sleeper.State == 'S');
        Assert.Equal(sleeper.Id, Ptrace.WhileStopped(sleeper.PidFd, stopped => stopped.Call(CallGetPid)));
    }

    [Fact]
    public void Process_that_is_being_traced_already_is_refused_as_AccessDenied()
    {
        using ForeignProcess sleeper = ForeignProcess.Sleeping();
        MigrationException exception = Ptrace.WhileStopped(sleeper.PidFd, _ => Assert.ThrowsAny<MigrationException>(
            () => Ptrace.WhileStopped(sleeper.PidFd, stopped => stopped.Call(CallGetPid))));
        Assert.Equal(MigrationErrorReason.AccessDenied, exception.Reason);
    }

    [Fact]
    public void Stolen_userfaultfd_leaves_no_descriptor_behind()
    {
        using ForeignProcess sleeper = ForeignProcess.Sleeping();
        string descriptors = $"/proc/{sleeper.Id}/fd";
        int before = Directory.GetFileSystemEntries(descriptors).Length;
        using (Userfaultfd.CreateInside(sleeper.PidFd, UserfaultfdFeatures.WriteProtectAsync))
        {
            Assert.Equal(before, Directory.GetFileSystemEntries(descriptors).Length);
        }

        Eventually.Holds(() => sleeper.State == 'S');
    }
}
