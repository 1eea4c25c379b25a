using System.Diagnostics;
using System.Globalization;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Tests.Native;

/// <summary>A process that is no child of this one, as a daemonized QEMU is none; killed with the test.</summary>
internal sealed class ForeignProcess : IDisposable
{
    private ForeignProcess(int id) => PidFd = PidFd.Open(id);

    public PidFd PidFd { get; }

    public int Id => PidFd.ProcessId;

    /// <summary>Starts a shell that runs the script in a session of its own.</summary>
    public static ForeignProcess Start(string script)
    {
        using Process launcher = Process.Start(new ProcessStartInfo("/bin/sh")
        {
            ArgumentList = { "-c", "setsid /bin/sh -c \"$0\" </dev/null >/dev/null 2>&1 & echo $!", script },
            RedirectStandardOutput = true,
        })!;
        string id = launcher.StandardOutput.ReadToEnd();
        launcher.WaitForExit();
        var process = new ForeignProcess(int.Parse(id, CultureInfo.InvariantCulture));
        try
        {
            // Until the launcher's fork has become setsid, and setsid the shell, the program is another one.
            Eventually.Holds(
                () => !File.ReadAllText($"/proc/{process.Id}/cmdline").Contains("setsid", StringComparison.Ordinal));
        }
        catch
        {
            process.Dispose();
            throw;
        }

        return process;
    }

    public static ForeignProcess Sleeping()
    {
        ForeignProcess process = Start("exec sleep 1000");
        Eventually.Holds(() => File.ReadAllText($"/proc/{process.Id}/comm") == "sleep\n" && process.State == 'S');
        return process;
    }

    /// <summary>The state letter of proc_pid_stat(5).</summary>
    public char State
    {
        get
        {
            string line = File.ReadAllText($"/proc/{Id}/stat");
            return line[line.LastIndexOf(')') + 2];
        }
    }

    /// <summary>CPU time used so far, in user and kernel mode.</summary>
    public TimeSpan CpuTime
    {
        get
        {
            const int ticksPerSecond = 100;
            string line = File.ReadAllText($"/proc/{Id}/stat");
            string[] fields = line[(line.LastIndexOf(')') + 2)..].Split(' ');
            long ticks = long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
            return TimeSpan.FromSeconds((double)ticks / ticksPerSecond);
        }
    }

    public void Dispose()
    {
        PidFd.SendSignal(PidFd.SignalKill);
        PidFd.Dispose();
    }
}
