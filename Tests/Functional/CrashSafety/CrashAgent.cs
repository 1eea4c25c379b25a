using VmMigration.Engine.Hosts.Remote;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Protocol;
using VmMigration.Functional.Tests.HostAgent;
using Xunit;

namespace VmMigration.Functional.Tests.CrashSafety;

/// <summary>An agent that a test kills and starts again on its directory and ports, and the way to control it.</summary>
internal sealed class CrashAgent : IAsyncDisposable
{
    private readonly AgentProcess process;

    private CrashAgent(AgentProcess process, RemoteHost host)
    {
        this.process = process;
        Host = host;
    }

    /// <summary>Controls it, also after it was started again.</summary>
    public RemoteHost Host { get; }

    public string JournalPath => Path.Combine(process.StateDirectory, "journal.db");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Starts an agent whose links are plain text, so that a proxy knows their frames.</summary>
    public static async Task<CrashAgent> StartAsync(AgentLab lab, string name)
    {
        AgentProcess process = await lab.StartAsync(new() { Name = name, LinkSecurity = LinkSecurity.Plain }, Cancellation);
        return new(process, await process.ConnectAsync(Cancellation));
    }

    /// <summary>Starts it on its directory.</summary>
    public Task StartAsync() => process.StartAsync(Cancellation);

    /// <summary>Ends it as the kernel does, at once and without a last word.</summary>
    public Task KillAsync() => process.KillAsync();

    /// <summary>Asserts that nothing of a VM is left here: no process, no file, no entry.</summary>
    public void AssertClean()
    {
        Assert.Empty(QemuLauncher.FindProcesses(process.StateDirectory));
        Assert.Empty(Directory.EnumerateFileSystemEntries(process.RamDirectory));
        string vms = Path.Combine(process.StateDirectory, "vms");
        if (Directory.Exists(vms)) Assert.Empty(Directory.EnumerateFileSystemEntries(vms));
    }

    /// <summary>Lets go of it; its lab ends it.</summary>
    public ValueTask DisposeAsync() => Host.DisposeAsync();
}
