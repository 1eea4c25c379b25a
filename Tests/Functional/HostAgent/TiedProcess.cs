using System.Collections.Concurrent;
using System.Diagnostics;

namespace VmMigration.Functional.Tests.HostAgent;

/// <summary>
/// Starts processes that the kernel ends with this one, however it ends (PR_SET_PDEATHSIG, prctl(2)). The signal comes when the thread that
/// forked ends, so one thread that lives as long as the process starts them all.
/// </summary>
internal static class TiedProcess
{
    private static readonly BlockingCollection<(ProcessStartInfo Start, TaskCompletionSource<Process> Started)> orders = [];

    static TiedProcess() => new Thread(Serve) { IsBackground = true, Name = "starts processes" }.Start();

    /// <summary>Starts a program with its output redirected. The process id is the program's own.</summary>
    /// <param name="launcher">Command before it that only execs, such as <c>ip netns exec NAME</c>.</param>
    /// <param name="commandLine">The program and its arguments.</param>
    public static Task<Process> StartAsync(IEnumerable<string> launcher, IEnumerable<string> commandLine)
    {
        // Last before the program: a launcher that changes the user takes the tie off (prctl(2)).
        string[] words = [.. launcher, "setpriv", "--pdeathsig", "KILL", .. commandLine];
        var start = new ProcessStartInfo(words[0]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in words.Skip(1)) start.ArgumentList.Add(argument);
        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        orders.Add((start, started));
        return started.Task;
    }

    private static void Serve()
    {
        foreach ((ProcessStartInfo start, TaskCompletionSource<Process> started) in orders.GetConsumingEnumerable())
        {
            try
            {
                started.SetResult(Process.Start(start)!);
            }
            catch (Exception e)
            {
                started.SetException(e);
            }
        }
    }
}
