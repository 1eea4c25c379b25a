using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Closes a host of this session.</summary>
/// <remarks>
/// Embedded VMs live in this process and end with their host; a host that still runs any, or that takes part in a migration, is closed
/// only with -Force.
/// </remarks>
/// <example>
/// <code>Get-MigrationHost | Disconnect-MigrationHost -Force</code>
/// <para>Closes all hosts and ends their embedded VMs.</para>
/// </example>
[Cmdlet(VerbsCommunications.Disconnect, "MigrationHost", SupportsShouldProcess = true)]
public sealed class DisconnectMigrationHostCommand : MigrationCmdlet
{
    /// <summary>Names of hosts; wildcards are allowed.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    [Alias("HostName")]
    public string[] Name { get; set; } = [];

    /// <summary>Close the host even where embedded VMs or migrations end with it.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>Closes each host that matches.</summary>
    protected override void ProcessRecord()
    {
        foreach (string pattern in Name)
        {
            IReadOnlyList<IMigrationHost>? hosts = Attempt(pattern, _ => Task.FromResult(HostRegistry.Find(pattern)));
            foreach (IMigrationHost host in hosts ?? [])
            {
                if (!ShouldProcess(host.Name, "Close migration host")) continue;
                Attempt(host.Name, async token =>
                {
                    if (!Force) await RefuseToLoseAnythingAsync(host, token).ConfigureAwait(false);
                    await HostRegistry.CloseAsync(host.Name).ConfigureAwait(false);
                });
            }
        }
    }

    private static async Task RefuseToLoseAnythingAsync(IMigrationHost host, CancellationToken cancellationToken)
    {
        foreach (VmDescription vm in await host.ListVmsAsync(cancellationToken).ConfigureAwait(false))
        {
            bool isEmbedded = vm.Specification.Hypervisor == Engine.Hypervisors.HypervisorKind.Embedded;
            string? loss = vm switch
            {
                { MigrationId: not null } => $"VM '{vm.Specification.Name}' of host {host.Name} is being migrated.",
                { State: Engine.Hypervisors.VmState.Running or Engine.Hypervisors.VmState.Paused } when isEmbedded =>
                    $"Embedded VM '{vm.Specification.Name}' ({vm.State}) would end with host {host.Name}.",
                _ => null,
            };
            if (loss is null) continue;
            throw new MigrationException(MigrationErrorReason.InvalidState, loss, "Migrate or stop it first, or use -Force.");
        }
    }
}
