using System.Management.Automation;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Boots stopped VMs.</summary>
/// <example>
/// <code>Get-MigrationVm -HostName kvm01 | Start-MigrationVm</code>
/// <para>Boots all VMs of a host.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Start, "MigrationVm", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(MigrationVm))]
public sealed class StartMigrationVmCommand : VmStateCmdlet
{
    private protected override string ActionTitle => "Start VM";

    private protected override Task<VmDescription> ChangeAsync(LocatedVm vm, CancellationToken cancellationToken) =>
        vm.Host.StartVmAsync(vm.Id, cancellationToken);
}
