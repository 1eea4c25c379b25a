using System.Management.Automation;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets that change the state of VMs.</summary>
public abstract class VmStateCmdlet : VmSelectionCmdlet
{
    /// <summary>Write the VM as it is afterwards.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>Names the change, for confirmation prompts.</summary>
    private protected abstract string ActionTitle { get; }

    /// <summary>Asks the host for the change.</summary>
    private protected abstract Task<VmDescription> ChangeAsync(LocatedVm vm, CancellationToken cancellationToken);

    /// <summary>Whether the user agrees to more than <see cref="Cmdlet.ShouldProcess(string, string)"/> asked.</summary>
    private protected virtual bool IsAgreed(LocatedVm vm) => true;

    private protected override void ProcessVm(LocatedVm vm, object target)
    {
        if (!ShouldProcess(vm.Title, ActionTitle) || !IsAgreed(vm)) return;
        VmDescription? changed = Attempt(target, token => ChangeAsync(vm, token));
        if (changed is not null && PassThru) WriteObject(MigrationVm.From(changed));
    }
}
