using Serilog;
using Serilog.Formatting.Compact;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The log of one host: compact JSON, one event a line, in files of limited size; nothing goes to the console unless the options name a sink
/// for it. Each host has a logger of its own, so that several hosts in one process do not mix.
/// </summary>
internal sealed class HostLog : IDisposable
{
    private const long FileSizeLimitBytes = 8 << 20;
    private const int RetainedFileCount = 5;

    private readonly Serilog.Core.Logger logger;

    private HostLog(Serilog.Core.Logger logger) => this.logger = logger;

    /// <summary>Writes to this host's files; every event carries the property <c>Host</c>.</summary>
    public ILogger Logger => logger;

    /// <summary>Opens <c>logs/host.clef</c> in the host's directory; a full file is followed by <c>host_001.clef</c> and so on.</summary>
    public static HostLog Open(LocalHostOptions options, HostDirectory directory)
    {
        LoggerConfiguration configuration = new LoggerConfiguration()
            .MinimumLevel.Verbose()
            .Enrich.WithProperty("Host", options.Name)
            .WriteTo.File(
                new CompactJsonFormatter(),
                Path.Combine(directory.Path, "logs", "host.clef"),
                restrictedToMinimumLevel: options.LogLevel,
                fileSizeLimitBytes: FileSizeLimitBytes,
                rollOnFileSizeLimit: true,
                retainedFileCountLimit: RetainedFileCount);
        if (options.LogSink is { } sink) configuration.WriteTo.Sink(sink);
        else configuration.MinimumLevel.Is(options.LogLevel);
        return new(configuration.CreateLogger());
    }

    /// <summary>Writes out what is pending and closes the file.</summary>
    public void Dispose() => logger.Dispose();
}
