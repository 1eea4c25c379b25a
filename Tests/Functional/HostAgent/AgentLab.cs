using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Certificates;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Native;

namespace VmMigration.Functional.Tests.HostAgent;

/// <summary>
/// A directory with a certificate authority, a client certificate and agents. Its end ends them and their VMs, whatever became of the test;
/// the first lab of a process removes what a test process that was killed has left.
/// </summary>
internal sealed class AgentLab : IAsyncDisposable
{
    private const string NamePrefix = "vmm-agent-";

    // Once per test process: its classes run side by side.
    private static readonly Lazy<Task> swept = new(SweepAsync);

    private readonly List<AgentProcess> agents = [];

    private AgentLab(string directory)
    {
        Root = directory;
        Authority = LabCertificateAuthority.OpenOrCreate(Path.Combine(directory, "certificates"));
        Client = Authority.Issue(new() { Name = "client", Purposes = CertificatePurposes.Client });
        ClientCertificate = X509Certificate2.CreateFromPemFile(Client.CertificatePath, Client.KeyPath);
        AuthorityCertificate = X509CertificateLoader.LoadCertificateFromFile(Client.AuthorityPath);
    }

    /// <summary>The lab's directory.</summary>
    public string Root { get; }

    public LabCertificateAuthority Authority { get; }

    public IssuedCertificate Client { get; }

    /// <summary>What a client of the lab shows.</summary>
    public X509Certificate2 ClientCertificate { get; }

    /// <summary>What a client of the lab trusts.</summary>
    public X509Certificate2 AuthorityCertificate { get; }

    public static async Task<AgentLab> CreateAsync()
    {
        await swept.Value;
        string name = string.Create(
            CultureInfo.InvariantCulture, $"{NamePrefix}{Environment.ProcessId}-{RandomNumberGenerator.GetHexString(6, lowercase: true)}");
        return new(Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), name)).FullName);
    }

    /// <summary>Makes an agent, without starting it.</summary>
    public AgentProcess Add(AgentProcessOptions options)
    {
        string directory = Directory.CreateDirectory(Path.Combine(Root, options.Name)).FullName;
        IssuedCertificate certificate = Authority.Issue(new() { Name = options.Name, Addresses = [options.ControlAddress, "localhost"] });
        var agent = new AgentProcess(directory, options, certificate) { Lab = this };
        agents.Add(agent);
        return agent;
    }

    /// <summary>Makes an agent and starts it.</summary>
    public async Task<AgentProcess> StartAsync(AgentProcessOptions options, CancellationToken cancellationToken)
    {
        AgentProcess agent = Add(options);
        await agent.StartAsync(cancellationToken);
        return agent;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (AgentProcess agent in agents) await agent.DisposeAsync();
        foreach (AgentProcess agent in agents) await ClearAsync(agent.StateDirectory, agent.RamDirectory, agent.Options.Launcher.Count == 0);
        ClientCertificate.Dispose();
        AuthorityCertificate.Dispose();
        Authority.Dispose();
        Directory.Delete(Root, recursive: true);
    }

    private static async Task SweepAsync()
    {
        foreach (string leftover in Directory.GetDirectories(Path.GetTempPath(), NamePrefix + "*").Where(IsOfDeadProcess))
        {
            foreach (string agent in Directory.GetDirectories(leftover))
            {
                string ram = Path.Combine("/dev/shm", $"{Path.GetFileName(leftover)}-{Path.GetFileName(agent)}");
                await ClearAsync(Path.Combine(agent, "state"), ram, openable: true);
            }

            Directory.Delete(leftover, recursive: true);
        }
    }

    /// <summary>Ends the VMs of an agent that is gone and removes what it has left in the machine.</summary>
    private static async Task ClearAsync(string stateDirectory, string ramDirectory, bool openable)
    {
        foreach (int processId in QemuLauncher.FindProcesses(stateDirectory))
        {
            using PidFd process = PidFd.Open(processId);
            await QemuInstanceFiles.KillAsync(process);
        }

        if (Directory.Exists(stateDirectory) && openable)
        {
            // A host that is opened on the directory clears up after the one that was killed.
            LocalHostOptions options = new() { Name = "sweeper", StateDirectory = stateDirectory, RamDirectory = ramDirectory };
            await using LocalHost host = await LocalHost.OpenAsync(options, CancellationToken.None);
        }

        if (Directory.Exists(ramDirectory)) Directory.Delete(ramDirectory, recursive: true);
    }

    private static bool IsOfDeadProcess(string path) =>
        !Directory.Exists(Path.Combine("/proc", Path.GetFileName(path)[NamePrefix.Length..].Split('-')[0]));
}
