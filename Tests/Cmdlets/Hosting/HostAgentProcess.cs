using System.Text.RegularExpressions;

namespace VmMigration.Cmdlets.Tests.Hosting;

/// <summary>An agent as a process of its own, on a directory of its own, with control over TLS on the loopback address and a socket.</summary>
internal sealed partial class HostAgentProcess : IDisposable
{
    private readonly string directory;
    private readonly string certificate;
    private readonly string name;
    private RunnerProcess process;

    private HostAgentProcess(string directory, string name, string certificate)
    {
        this.directory = directory;
        this.name = name;
        this.certificate = certificate;
        process = Run(port: 0);
    }

    /// <summary>Where it is reached over TLS.</summary>
    public Uri Uri { get; private set; } = null!;

    /// <summary>Where it is reached from this machine without certificates.</summary>
    public Uri Socket => new($"unix://{SocketPath}");

    /// <summary>What it logged.</summary>
    public string Output => process.Output;

    private string SocketPath => Path.Combine(directory, $"{name}.sock");

    /// <summary>Starts an agent.</summary>
    /// <param name="directory">Directory for everything it has; short, for sockets lie below it.</param>
    /// <param name="name">Name of its host.</param>
    /// <param name="certificate">Its certificate, with <c>.key</c> and <c>ca.crt</c> beside it.</param>
    /// <param name="cancellationToken">Cancels the waiting.</param>
    public static async Task<HostAgentProcess> StartAsync(string directory, string name, string certificate, CancellationToken cancellationToken)
    {
        var agent = new HostAgentProcess(directory, name, certificate);
        await agent.WaitUntilListeningAsync(cancellationToken);
        return agent;
    }

    /// <summary>Stops it as a service manager does, and waits for its end.</summary>
    public async Task<int> StopAsync(CancellationToken cancellationToken)
    {
        process.Interrupt();
        return await process.WaitForExitAsync(cancellationToken);
    }

    /// <summary>Starts it again, on the same directory and port.</summary>
    public async Task StartAgainAsync(CancellationToken cancellationToken)
    {
        process.Dispose();
        process = Run(Uri.Port);
        await WaitUntilListeningAsync(cancellationToken);
    }

    public void Dispose() => process.Dispose();

    private RunnerProcess Run(int port) => new(
        "host", "--name", name, "--state-directory", Path.Combine(directory, name), "--listen", $"https://127.0.0.1:{port}",
        "--unix-socket", SocketPath, "--certificate", certificate, "--key", Path.ChangeExtension(certificate, "key"),
        "--authority", Path.Combine(Path.GetDirectoryName(certificate)!, "ca.crt"));

    private async Task WaitUntilListeningAsync(CancellationToken cancellationToken)
    {
        await process.WaitForAsync("Listening on https", cancellationToken);
        await process.WaitForAsync("Listening on unix", cancellationToken);
        Uri = new(HttpsListener().Match(process.Output).Groups[1].Value);
    }

    [GeneratedRegex("Listening on (https://\\S+)")]
    private static partial Regex HttpsListener();
}
