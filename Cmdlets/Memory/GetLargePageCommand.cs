using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Shows how much of the memory of VMs is mapped by large pages.</summary>
/// <remarks>
/// Large pages have 2 MiB or more; they make a guest's memory accesses cheaper, and a migration that copies page by page loses them. A
/// VM that is stopped, or whose page tables nobody can read, is shown with empty numbers, and Remark says why.
/// </remarks>
/// <example>
/// <code>Get-LargePage web01</code>
/// <para>Shows which pages the RAM of a VM is on, and how much of it large pages map.</para>
/// </example>
/// <example>
/// <code>Get-MigrationHost kvm01 | Get-LargePage | Where-Object Share -lt 0.9</code>
/// <para>Finds the VMs of a host that have lost large pages, or never had them.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "LargePage", DefaultParameterSetName = ByName)]
[OutputType(typeof(VmLargePages))]
public sealed class GetLargePageCommand : VmQueryCmdlet
{
    private protected override void ProcessVm(LocatedVm vm, object target)
    {
        if (!vm.HasMemory)
        {
            WriteObject(VmLargePages.Unknown(vm.Vm, "It has no memory: it is stopped."));
            return;
        }

        if (!AttemptRead(vm, target, token => vm.Host.ReadLargePagesAsync(vm.Id, token), out var coverage)) return;
        WriteObject(coverage is null
            ? VmLargePages.Unknown(vm.Vm, vm.Vm.Capabilities?.LargePagesRefused ?? "Its page tables cannot be read.")
            : VmLargePages.From(vm.Vm, coverage));
    }
}
