using System.Collections.Concurrent;
using System.Globalization;
using Serilog.Core;
using Serilog.Events;

namespace VmMigration.Engine.Tests.Protocol;

/// <summary>The last thousand lines of a log.</summary>
internal sealed class LogLines : ILogEventSink
{
    private readonly ConcurrentQueue<string> lines = new();

    public IReadOnlyCollection<string> All => lines;

    public void Emit(LogEvent logEvent)
    {
        lines.Enqueue($"{logEvent.RenderMessage(CultureInfo.InvariantCulture)} {logEvent.Exception}");
        if (lines.Count > 1000) lines.TryDequeue(out _);
    }

    public int Count(string text) => lines.Count(line => line.Contains(text, StringComparison.Ordinal));
}
