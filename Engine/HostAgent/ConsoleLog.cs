using System.Globalization;
using Serilog.Core;
using Serilog.Events;
using Serilog.Formatting.Display;

namespace VmMigration.HostAgent;

/// <summary>
/// Writes the host's events as lines of text. Below a service manager that reads standard error into its journal, a line begins with the
/// journal's priority (sd-daemon(3)) instead of a time of its own.
/// </summary>
internal sealed class ConsoleLog(TextWriter writer, LogEventLevel minimumLevel, bool hasJournal) : ILogEventSink
{
    private readonly MessageTemplateTextFormatter formatter = new(
        hasJournal ? "{Message:lj}" : "{Timestamp:HH:mm:ss.fff} {Level:u3} {Message:lj}", CultureInfo.InvariantCulture);

    private readonly Lock gate = new();

    /// <summary>Whether standard error goes to the journal of systemd (systemd.exec(5), JOURNAL_STREAM).</summary>
    public static bool HasJournal => Environment.GetEnvironmentVariable("JOURNAL_STREAM") is not null;

    public void Emit(LogEvent logEvent)
    {
        if (logEvent.Level < minimumLevel) return;
        using var line = new StringWriter(CultureInfo.InvariantCulture);
        if (hasJournal) line.Write($"<{PriorityOf(logEvent.Level)}>");
        formatter.Format(logEvent, line);

        // A trace would spread over lines, of which each is an entry of the journal; the log file has it.
        if (logEvent.Exception is { } exception) line.Write($" ({exception.GetType().Name}: {exception.Message.ReplaceLineEndings(" ")})");
        lock (gate) writer.WriteLine(line.ToString());
    }

    private static int PriorityOf(LogEventLevel level) => level switch
    {
        LogEventLevel.Fatal => 2,
        LogEventLevel.Error => 3,
        LogEventLevel.Warning => 4,
        LogEventLevel.Information => 6,
        _ => 7,
    };
}
