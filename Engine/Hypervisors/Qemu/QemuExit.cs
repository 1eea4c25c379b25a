namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Waits for the end of a QEMU and finds out how it came.</summary>
internal static class QemuExit
{
    /// <summary>Completes with a sentence when the process is gone. Never faults.</summary>
    /// <param name="process">The QEMU.</param>
    /// <param name="shutdowns">Its SHUTDOWN events; disposed at the end.</param>
    /// <param name="logPath">What it reports; null where it goes somewhere else.</param>
    /// <param name="explainCrash">Says what may have ended it without a word; null where nothing is known.</param>
    public static async Task<string> WatchAsync(
        QemuProcess process, QmpEventStream shutdowns, string? logPath, Func<string?> explainCrash)
    {
        int processId = process.Handle.ProcessId;
        await process.Handle.Exited.ConfigureAwait(false);
        using (shutdowns)
        {
            string? reason = null;
            try
            {
                // The kernel closes the socket of a process that is gone, and what was in it before is read first.
                while (true) reason = (await shutdowns.ReadAsync(CancellationToken.None).ConfigureAwait(false)).Text("reason");
            }
            catch (Exception exception) when (exception is MigrationException or System.Threading.Channels.ChannelClosedException)
            {
                return Describe(processId, reason, ReadLog(logPath), explainCrash);
            }
        }
    }

    private static string Describe(int processId, string? reason, string log, Func<string?> explainCrash) => reason switch
    {
        "guest-shutdown" => "The guest shut down.",
        "guest-panic" => "The guest panicked.",
        "guest-reset" => "The guest asked for a reset, and QEMU was started to end with that.",
        "host-signal" => $"A signal ended QEMU (process {processId}).",
        "host-qmp-quit" => $"A QMP command ended QEMU (process {processId}).",
        _ when log.Length > 0 => $"QEMU (process {processId}) ended: {log}",
        _ => $"QEMU (process {processId}) was killed or crashed; it reported nothing. {explainCrash()}".TrimEnd(),
    };

    private static string ReadLog(string? logPath)
    {
        try
        {
            return QemuLog.ReadTail(logPath);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return $"its log could not be read ({exception.Message})";
        }
    }
}
