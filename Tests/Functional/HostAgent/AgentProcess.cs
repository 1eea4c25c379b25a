using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using VmMigration.Engine.Hosts.Certificates;
using VmMigration.Engine.Hosts.Remote;
using Xunit;

namespace VmMigration.Functional.Tests.HostAgent;

/// <summary>
/// A real agent: the built <c>vm-migration host</c> in a process of its own, on directories of its lab. It can be killed, stopped and started
/// again on the same directories and ports. The lab ends it.
/// </summary>
internal sealed partial class AgentProcess : IAsyncDisposable
{
    private const int SigTerm = 15;

    // For a machine with a handful of busy processes to a core.
    private static readonly TimeSpan startLimit = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan stopLimit = TimeSpan.FromMinutes(2);

    private readonly string configurationPath;
    private readonly JsonObject configuration;
    private AgentOutput output = new();
    private Process? process;

    public AgentProcess(string directory, AgentProcessOptions options, IssuedCertificate certificate)
    {
        Options = options;
        StateDirectory = Path.Combine(directory, "state");
        RamDirectory = Directory.CreateDirectory(Path.Combine("/dev/shm", $"{new DirectoryInfo(directory).Parent!.Name}-{options.Name}")).FullName;
        UnixSocketPath = Path.Combine(directory, "agent.sock");
        configurationPath = Path.Combine(directory, "agent.json");
        configuration = Describe(certificate);
        options.Configure?.Invoke(configuration);
    }

    /// <summary>Path of the built program.</summary>
    public static string ProgramPath { get; } = typeof(AgentProcess).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == "RunnerPath").Value!;

    public AgentProcessOptions Options { get; }

    /// <summary>The lab it belongs to.</summary>
    public required AgentLab Lab { get; init; }

    public string Name => Options.Name;

    public string StateDirectory { get; }

    public string RamDirectory { get; }

    /// <summary>Where a test puts the agent's unix socket if it asks for one.</summary>
    public string UnixSocketPath { get; }

    public int ProcessId => process!.Id;

    public bool HasExited => process!.HasExited;

    /// <summary>Where it can be controlled over TLS, with the port that it took.</summary>
    public Uri Uri => output.Endpoints.First(uri => uri.Scheme == Uri.UriSchemeHttps);

    /// <summary>Where it serves metrics; null where it does not.</summary>
    public Uri? MetricsUri => output.Metrics;

    /// <summary>What it wrote since its last start: its log from the console's level on.</summary>
    public string Log => output.Text;

    /// <summary>Starts it, and returns when it listens.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        Assert.True(process is null || process.HasExited, $"The agent '{Name}' runs.");
        await File.WriteAllTextAsync(configurationPath, configuration.ToJsonString(), cancellationToken);
        output = new();
        process?.Dispose();
        process = await TiedProcess.StartAsync(Options.Launcher, ["dotnet", ProgramPath, "host", "--config", configurationPath]);
        output.Follow(process);
        Task listening = output.Listening;
        Task first = await Task.WhenAny(listening, process.WaitForExitAsync(cancellationToken)).WaitAsync(startLimit, cancellationToken);
        if (first != listening) Assert.Fail($"The agent '{Name}' did not start (exit code {process.ExitCode}):\n{Log}");

        // The next start takes the same ones: who knows this agent finds it again.
        configuration["control"]!["listen"] = new JsonArray([.. output.Endpoints.Where(uri => uri.Scheme == Uri.UriSchemeHttps)
            .Select(uri => JsonValue.Create(uri.ToString()))]);
        configuration["migration"]!["listenPort"] = IPEndPoint.Parse(output.MigrationEndpoint!).Port;
    }

    /// <summary>Connects as the lab's client; the caller disposes of the host, which outlives restarts of the agent.</summary>
    public Task<RemoteHost> ConnectAsync(CancellationToken cancellationToken) => RemoteHost.ConnectAsync(
        new() { Uri = Uri, Certificate = Lab.ClientCertificate, TrustedAuthorities = [Lab.AuthorityCertificate] }, cancellationToken);

    /// <summary>Ends it at once, as a crash does.</summary>
    public async Task KillAsync()
    {
        process!.Kill();
        await process.WaitForExitAsync();
    }

    /// <summary>Asks it to stop, and waits for that.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> StopAsync(CancellationToken cancellationToken)
    {
        RequestStop();
        return await WaitForExitAsync(cancellationToken);
    }

    /// <summary>Sends SIGTERM.</summary>
    public void RequestStop() => Assert.Equal(0, Kill(ProcessId, SigTerm));

    /// <summary>Waits for its end.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> WaitForExitAsync(CancellationToken cancellationToken)
    {
        await process!.WaitForExitAsync(cancellationToken).WaitAsync(stopLimit, cancellationToken);
        return process.ExitCode;
    }

    /// <summary>Waits until it has written a line with this text since its last start.</summary>
    public Task WaitForLogAsync(string text, CancellationToken cancellationToken) => output.WaitForAsync(text, cancellationToken);

    /// <summary>A value of <c>/proc/PID/status</c> in bytes, such as VmRSS or VmHWM.</summary>
    public long ReadMemory(string field)
    {
        string line = File.ReadLines($"/proc/{ProcessId}/status").First(line => line.StartsWith(field + ":", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) << 10;
    }

    public async ValueTask DisposeAsync()
    {
        if (process is null) return;
        if (!process.HasExited) await KillAsync();
        process.Dispose();
    }

    private JsonObject Describe(IssuedCertificate certificate) => new()
    {
        ["name"] = Name,
        ["stateDirectory"] = StateDirectory,
        ["ramDirectory"] = RamDirectory,
        ["control"] = new JsonObject
        {
            ["listen"] = new JsonArray($"https://{Options.ControlAddress}:0"),
            ["certificate"] = certificate.CertificatePath,
            ["key"] = certificate.KeyPath,
            ["authority"] = certificate.AuthorityPath,
        },
        ["migration"] = new JsonObject
        {
            ["listenAddress"] = Options.MigrationAddress,
            ["linkSecurity"] = Options.LinkSecurity.ToString(),
        },
    };

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int processId, int signal);
}
