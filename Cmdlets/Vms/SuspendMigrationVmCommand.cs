using System.Management.Automation;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Pauses running VMs: their vCPUs stand still, their memory is kept.</summary>
/// <example>
/// <code>Suspend-MigrationVm web01</code>
/// <para>Pauses one VM.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Suspend, "MigrationVm", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(MigrationVm))]
public sealed class SuspendMigrationVmCommand : VmStateCmdlet
{
    private protected override string ActionTitle => "Pause VM";

    private protected override Task<VmDescription> ChangeAsync(LocatedVm vm, CancellationToken cancellationToken) =>
        vm.Host.PauseVmAsync(vm.Id, cancellationToken);
}
