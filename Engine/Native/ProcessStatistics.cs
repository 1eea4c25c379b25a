using System.Globalization;

namespace VmMigration.Engine.Native;

/// <summary>Counters of a process from /proc/PID/stat (proc_pid_stat(5)).</summary>
public static class ProcessStatistics
{
    /// <summary>Page faults of the process since it started, minor and major, all threads.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.VmExited"/> where the process is gone.</exception>
    public static long ReadPageFaults(int processId)
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat");
        string line;
        try
        {
            line = File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new MigrationException(MigrationErrorReason.VmExited, $"Process {processId} is gone: {path} cannot be read.", null, exception);
        }

        return ParsePageFaults(line);
    }

    /// <summary>Page faults of the calling thread since it started, minor and major.</summary>
    public static long ReadThreadPageFaults() => ParsePageFaults(File.ReadAllText("/proc/thread-self/stat"));

    /// <summary>Sums minflt (field 10) and majflt (field 12) of one line of /proc/PID/stat.</summary>
    internal static long ParsePageFaults(string line)
    {
        // The name in parentheses may itself hold blanks and parentheses: fields are counted from the last one.
        string[] fields = line[(line.LastIndexOf(')') + 2)..].Split(' ');
        return long.Parse(fields[7], CultureInfo.InvariantCulture) + long.Parse(fields[9], CultureInfo.InvariantCulture);
    }
}
