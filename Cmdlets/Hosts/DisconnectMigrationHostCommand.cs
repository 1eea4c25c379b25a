using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;

namespace VmMigration.Cmdlets;

/// <summary>Takes hosts out of this session: ends the connection to an agent's, closes one of this process.</summary>
/// <remarks>
/// What an agent serves does not depend on this session: its VMs run on and its migrations go on, and Connect-MigrationHost finds them again.
/// A host that New-MigrationHost opened lives in this process: embedded VMs end with it, migrations that are not committed are rolled back.
/// Where it still runs any, or takes part in a migration, it is closed only with -Force.
/// </remarks>
/// <example>
/// <code>Disconnect-MigrationHost kvm01</code>
/// <para>Ends the connection to an agent and leaves everything on its machine as it is.</para>
/// </example>
/// <example>
/// <code>Disconnect-MigrationHost * -Force</code>
/// <para>Takes all hosts out of the session, those that do not answer too, and ends the embedded VMs of this process.</para>
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

    /// <summary>Close a host of this process even where embedded VMs or migrations end with it. Agents need none.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>Closes or disconnects each host that matches.</summary>
    protected override void ProcessRecord()
    {
        foreach (string pattern in Name)
        {
            IReadOnlyList<IMigrationHost>? hosts = Attempt(pattern, _ => Task.FromResult(HostRegistry.Find(pattern)));
            foreach (IMigrationHost host in hosts ?? [])
            {
                bool isAgent = host is RemoteHost;
                if (!ShouldProcess(host.Name, isAgent ? "Disconnect from host agent" : "Close migration host")) continue;
                Attempt(host.Name, async token =>
                {
                    if (!Force && !isAgent) await RefuseToLoseAnythingAsync(host, token).ConfigureAwait(false);
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
