using System.Net;
using Microsoft.Extensions.Configuration;
using Serilog.Events;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Runbooks;

namespace VmMigration.HostAgent.Configuration;

/// <summary>
/// Reads an agent's options from a JSON file with comments. Unknown keys and wrong values are refused, all at once; nothing is taken from
/// environment variables. Relative paths in the file start at the file's directory.
/// </summary>
public static class HostAgentConfiguration
{
    private const string DurationExpected = "a duration such as 90s or 5m";

    /// <summary>Reads a file; keys given besides it win.</summary>
    /// <param name="path">The file; null where the overrides say everything.</param>
    /// <param name="overrides">
    /// Values by key (<c>control.listen.0</c>), each with what it is to be called in messages, such as the option it was given by.
    /// </param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/>, with one line for each thing wrong that names the file, the key and the value.
    /// </exception>
    public static HostAgentOptions Read(string? path, IReadOnlyDictionary<string, (string Value, string Origin)>? overrides = null)
    {
        overrides ??= new Dictionary<string, (string, string)>();
        string? file = path is null ? null : Path.GetFullPath(path);
        IConfigurationRoot configuration = Load(file, overrides);
        using IDisposable? disposed = configuration as IDisposable;
        var values = new ConfigurationValues(configuration, key => overrides.TryGetValue(key, out (string, string Origin) given)
            ? given.Origin : path ?? "the command line");
        HostAgentOptions options = Read(values, key => overrides.ContainsKey(key) ? "" : Path.GetDirectoryName(file) ?? "");
        values.RefuseUnknown();
        List<string> problems = [.. values.Problems];
        if (problems.Count == 0)
        {
            try
            {
                options.Validate();
                return options;
            }
            catch (MigrationException e)
            {
                problems.AddRange(e.Message.Split(Environment.NewLine).Select(line => $"{path ?? "The command line"}: {line}"));
            }
        }

        throw new MigrationException(MigrationErrorReason.InvalidArgument, string.Join(Environment.NewLine, problems),
            "Mend the configuration; agent.example.json explains every key.");
    }

    private static IConfigurationRoot Load(string? file, IReadOnlyDictionary<string, (string Value, string Origin)> overrides)
    {
        var builder = new ConfigurationBuilder();
        try
        {
            if (file is not null) builder.AddJsonStream(new MemoryStream(File.ReadAllBytes(file)));
            return builder.AddInMemoryCollection(overrides.Select(item => KeyValuePair.Create(
                item.Key.Replace(".", ConfigurationPath.KeyDelimiter, StringComparison.Ordinal), (string?)item.Value.Value))).Build();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument, $"The configuration '{file}' cannot be read: {e.Message}",
                "Name a file that this user may read.", e);
        }
        catch (Exception e) when (e is FormatException or System.Text.Json.JsonException or InvalidDataException)
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument,
                $"The configuration '{file}' is no JSON: {(e.InnerException ?? e).Message}", "agent.example.json shows how it is written.", e);
        }
    }

    private static HostAgentOptions Read(ConfigurationValues values, Func<string, string> directoryOf)
    {
        var defaults = new LocalHostOptions { Name = Environment.MachineName };
        return new()
        {
            Host = ReadHost(values, defaults, directoryOf),
            Control = ReadControl(values, directoryOf),
            StopLimit = values.Value("stopLimit", TimeSpan.FromSeconds(60), DurationText.TryParse, DurationExpected),
            Metrics = ReadMetrics(values),
            ConsoleLogLevel = Level("log.consoleLevel", LogEventLevel.Information),
            FileLogLevel = Level("log.fileLevel", LogEventLevel.Debug),
        };

        LogEventLevel Level(string key, LogEventLevel fallback) =>
            values.Value<LogEventLevel>(key, fallback, TryParseName, $"one of {string.Join(", ", Enum.GetNames<LogEventLevel>())}");
    }

    private static LocalHostOptions ReadHost(ConfigurationValues values, LocalHostOptions defaults, Func<string, string> directoryOf) =>
        defaults with
        {
            Name = values.Text("name") ?? defaults.Name,
            StateDirectory = PathOf(values, "stateDirectory", directoryOf),
            RamDirectory = PathOf(values, "ramDirectory", directoryOf),
            DatastoreDirectory = PathOf(values, "disks.datastore", directoryOf),
            FragmentAgeLimit = values.Value("disks.fragmentAgeLimit", defaults.FragmentAgeLimit, DurationText.TryParse, DurationExpected),
            FragmentBytesLimit = values.Value<long>(
                "disks.fragmentBytesLimit", defaults.FragmentBytesLimit, SizeText.TryParse, "a size such as 200GiB"),
            ListenAddress = values.Value<IPAddress>("migration.listenAddress", defaults.ListenAddress, IPAddress.TryParse, "an IP address")!,
            ListenPort = values.Number("migration.listenPort", defaults.ListenPort, 0, IPEndPoint.MaxPort),
            LinkSecurity = values.Value<LinkSecurity?>("migration.linkSecurity", null, TryParseLinkSecurity, "Tls or Plain"),
            PathAddresses = values.List<IPAddress>("paths.addresses", IPAddress.TryParse, "an IP address"),
            PathGateway = values.Flag("paths.gateway", defaults.PathGateway),
            PathUnusedLimit = values.Value("paths.unusedLimit", defaults.PathUnusedLimit, DurationText.TryParse, DurationExpected),
            PathGatewayIdleLimit =
                values.Value("paths.gatewayIdleLimit", defaults.PathGatewayIdleLimit, DurationText.TryParse, DurationExpected),
            ShutdownTimeout = values.Value("guestShutdownLimit", defaults.ShutdownTimeout, DurationText.TryParse, DurationExpected),
        };

    private static ControlOptions ReadControl(ConfigurationValues values, Func<string, string> directoryOf)
    {
        string? certificate = PathOf(values, "control.certificate", directoryOf);
        string? key = PathOf(values, "control.key", directoryOf);
        string? authority = PathOf(values, "control.authority", directoryOf);
        string? socket = PathOf(values, "control.unixSocket.path", directoryOf);
        var socketOptions = new UnixSocketOptions(socket ?? "");
        socketOptions = socketOptions with
        {
            Mode = values.Value("control.unixSocket.mode", socketOptions.Mode, TryParseMode, "permissions in octal such as 0660"),
            Group = values.Text("control.unixSocket.group"),
        };
        return new()
        {
            Listen = values.List<Uri>("control.listen", TryParseUri, "a URI"),
            Certificates = (certificate, key, authority) is ({ } c, { } k, { } a) ? new(c, k, a) : null,
            Clients = values.List<string>("control.clients", TryParseName, "a name"),
            UnixSocket = socket is null ? null : socketOptions,
            MaxConnections = values.Number("control.maxConnections", 1024, 1, 1_000_000),
        };
    }

    private static MetricsOptions? ReadMetrics(ConfigurationValues values)
    {
        Uri listen = values.Value<Uri>("metrics.listen", new("http://127.0.0.1:7823"), TryParseUri, "a URI")!;
        return values.Flag("metrics.enabled", false) ? new(listen) : null;
    }

    private static string? PathOf(ConfigurationValues values, string key, Func<string, string> directoryOf) =>
        values.Text(key) is { } path ? Path.GetFullPath(Path.Combine(directoryOf(key), path)) : null;

    private static bool TryParseUri(string text, out Uri? value) => Uri.TryCreate(text, UriKind.Absolute, out value);

    private static bool TryParseName(string text, out string? value) => (value = text).Length > 0;

    // Without the numbers that Enum.TryParse takes as well.
    private static bool TryParseName<T>(string text, out T value)
        where T : struct, Enum => Enum.TryParse(text, ignoreCase: true, out value) && char.IsLetter(text[0]);

    private static bool TryParseLinkSecurity(string text, out LinkSecurity? value)
    {
        bool known = TryParseName(text, out LinkSecurity security) && security != LinkSecurity.Invalid;
        value = known ? security : null;
        return known;
    }

    private static bool TryParseMode(string text, out UnixFileMode value)
    {
        value = default;
        if (text.Length is < 3 or > 4 || text.Any(digit => digit is < '0' or > '7')) return false;
        value = (UnixFileMode)Convert.ToInt32(text, 8);
        return true;
    }
}
