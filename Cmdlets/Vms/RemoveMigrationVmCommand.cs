using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Removes the definitions of stopped VMs from their hosts. Disk images stay.</summary>
/// <example>
/// <code>Stop-MigrationVm web01 -PassThru | Remove-MigrationVm -Force</code>
/// <para>Shuts a VM down and removes it without asking.</para>
/// </example>
[Cmdlet(VerbsCommon.Remove, "MigrationVm", DefaultParameterSetName = ByName, SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.High)]
public sealed class RemoveMigrationVmCommand : VmSelectionCmdlet
{
    /// <summary>Do not ask.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void ProcessVm(LocatedVm vm, object target)
    {
        if (!IsAgreed(Force, vm.Title, "Remove VM")) return;
        Attempt(target, token => vm.Host.RemoveVmAsync(vm.Id, token));
    }
}
