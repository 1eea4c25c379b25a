using System.Globalization;
using System.Management.Automation;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Tests what a host can do: whether it answers, which hypervisors run there and how much memory is free.</summary>
/// <example>
/// <code>Test-MigrationHost kvm01</code>
/// <para>Says per hypervisor whether VMs can run, and if not, what to install.</para>
/// </example>
/// <example>
/// <code>if (Test-MigrationHost kvm01 -Hypervisor Qemu -Quiet) { 'ready' }</code>
/// <para>Asks one question for a script.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "MigrationHost")]
[OutputType(typeof(HostCheck), typeof(bool))]
public sealed class TestMigrationHostCommand : MigrationCmdlet
{
    /// <summary>Names of hosts; wildcards are allowed.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    [Alias("HostName")]
    public string[] Name { get; set; } = [];

    /// <summary>Hypervisors to ask about. Without it, all; for -Quiet one that works is then enough.</summary>
    [Parameter]
    public HypervisorKind[]? Hypervisor { get; set; }

    /// <summary>Memory in bytes that must be free for a new VM.</summary>
    [Parameter]
    [ValidateRange(0, long.MaxValue)]
    public long RequiredMemoryBytes { get; set; }

    /// <summary>Write true or false for each host instead of the single checks.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    /// <summary>Checks each host that matches.</summary>
    protected override void ProcessRecord()
    {
        foreach (string pattern in Name)
        {
            Attempt(pattern, async (queue, token) =>
            {
                foreach (IMigrationHost host in HostRegistry.Find(pattern))
                {
                    MigrationHost snapshot = MigrationHost.From(await host.DescribeAsync(token).ConfigureAwait(false));
                    queue.Post(() => Report(snapshot));
                }
            });
        }
    }

    private void Report(MigrationHost host)
    {
        HostHypervisor[] asked = [.. host.Hypervisors.Where(entry => Hypervisor?.Contains(entry.Hypervisor) ?? true)];
        bool enoughMemory = host.AvailableMemoryBytes >= RequiredMemoryBytes;
        if (Quiet)
        {
            bool hypervisorsReady = Hypervisor is null ? asked.Any(entry => entry.IsAvailable) : asked.All(entry => entry.IsAvailable);
            WriteObject(hypervisorsReady && enoughMemory);
            return;
        }

        foreach (HostHypervisor entry in asked)
        {
            WriteObject(new HostCheck(host.Name, entry.Hypervisor.ToString(), entry.IsAvailable, entry.Obstacle ?? "VMs can run here."));
        }

        WriteObject(new HostCheck(host.Name, "Memory", enoughMemory, string.Create(CultureInfo.InvariantCulture,
            $"{host.AvailableMemoryBytes >> 20} MiB of {host.MemoryBytes >> 20} MiB are free for VMs.")));
    }
}
