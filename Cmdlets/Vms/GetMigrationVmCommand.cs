using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Gets VMs.</summary>
/// <remarks>
/// The objects are snapshots: pipe one into Get-MigrationVm to refresh it. It is found by its id, so also after it moved to another host.
/// </remarks>
/// <example>
/// <code>Get-MigrationHost kvm01 | Get-MigrationVm</code>
/// <para>Lists the VMs of one host.</para>
/// </example>
/// <example>
/// <code>$vm = $vm | Get-MigrationVm</code>
/// <para>Refreshes a VM object.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "MigrationVm", DefaultParameterSetName = ByName)]
[OutputType(typeof(MigrationVm))]
public sealed class GetMigrationVmCommand : VmQueryCmdlet
{
    private protected override void ProcessVm(LocatedVm vm, object target) => WriteObject(MigrationVm.From(vm.Vm));
}
