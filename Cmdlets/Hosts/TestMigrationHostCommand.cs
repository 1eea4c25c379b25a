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
            HostAnswers<(IMigrationHost Host, HostProbe Probe)>? answers = Attempt(pattern, token =>
                HostRegistry.AskEachAsync(HostRegistry.Find(pattern), HostProbe.RunAsync, token));
            foreach ((_, HostProbe probe) in answers?.Items ?? []) Report(probe);
        }
    }

    private void Report(HostProbe probe)
    {
        HostCheck[] checks = [.. probe.Checks(IsAsked, RequiredMemoryBytes)];
        if (!Quiet)
        {
            WriteObject(checks, enumerateCollection: true);
            return;
        }

        HostHypervisor[] asked = [.. probe.Host?.Hypervisors.Where(IsAsked) ?? []];
        bool hypervisorsReady = Hypervisor is null ? asked.Any(entry => entry.IsAvailable) : asked.All(entry => entry.IsAvailable);
        WriteObject(probe.IsReachable && hypervisorsReady && probe.Host!.AvailableMemoryBytes >= RequiredMemoryBytes);
    }

    private bool IsAsked(HostHypervisor entry) => Hypervisor?.Contains(entry.Hypervisor) ?? true;
}
