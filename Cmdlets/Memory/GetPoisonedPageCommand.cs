using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Lists the poisoned pages of VMs: those with an uncorrectable memory error.</summary>
/// <remarks>
/// Looks for them and lists all that are known, those that came with a VM from another host included. A stopped VM has no memory and
/// so no poisoned pages. A page stays poisoned for as long as the VM lives: only stopping it and starting it again takes the poison away.
/// </remarks>
/// <example>
/// <code>Get-MigrationHost kvm01 | Get-PoisonedPage</code>
/// <para>Lists the poisoned pages of all VMs of a host.</para>
/// </example>
/// <example>
/// <code>Get-PoisonedPage -HostName kvm01 | Start-VmMigration -DestinationHost kvm02 -Wait</code>
/// <para>Moves the VMs that have poisoned pages to a sound host. The pages stay poisoned there; all others are whole.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "PoisonedPage", DefaultParameterSetName = ByName)]
[OutputType(typeof(PoisonedPage))]
public sealed class GetPoisonedPageCommand : VmQueryCmdlet
{
    private protected override void ProcessVm(LocatedVm vm, object target)
    {
        if (!vm.HasMemory)
        {
            WriteVerbose($"{vm.Title} has no memory: it is stopped.");
            return;
        }

        if (!AttemptRead(vm, target, token => vm.Host.ListPoisonedPagesAsync(vm.Id, token), out var pages)) return;
        foreach (Engine.Memory.PoisonedPage page in pages!) WriteObject(PoisonedPage.From(page, vm.Id, vm.Name, vm.Host.Name));
    }
}
