using System.Collections.Concurrent;
using System.Diagnostics;

namespace VmMigration.Engine.Disks;

/// <summary>
/// Starts programs that the kernel ends with this process, however that ends (PR_SET_PDEATHSIG of prctl(2), set by setpriv(1)). The signal
/// comes when the thread that forked ends, so one thread that lives as long as the process starts them all.
/// </summary>
internal static class TiedPrograms
{
    private static readonly BlockingCollection<(ProcessStartInfo Start, TaskCompletionSource<Process> Started)> orders = [];

    static TiedPrograms() => new Thread(Serve) { IsBackground = true, Name = "program starter" }.Start();

    /// <summary>Starts a program with its output redirected, in the root directory. The process id is the program's own.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">Where setpriv cannot be run.</exception>
    public static Task<Process> StartAsync(string program, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("setpriv", ["--pdeathsig", "KILL", program, .. arguments])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false, WorkingDirectory = "/",
        };
        start.Environment["LC_ALL"] = "C";
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
            catch (Exception error)
            {
                started.SetException(error);
            }
        }
    }
}
