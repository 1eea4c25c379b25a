using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Gets what disk transfers that did not complete left at their destinations, oldest first.</summary>
/// <remarks>
/// Resume-DiskTransfer goes on from a fragment; a Start-DiskTransfer of the same disk to the same place finds it by itself. Hosts remove
/// fragments by age, seven days if nothing else was said, and the oldest ones where all together take more room than they may. While a transfer
/// goes on from a fragment it is none.
/// </remarks>
/// <example>
/// <code>Get-DiskFragment</code>
/// <para>Lists the fragments that hosts of this session keep.</para>
/// </example>
/// <example>
/// <code>Get-DiskFragment -HostName kvm02 | Measure-Object AllocatedBytes -Sum</code>
/// <para>Tells how much room the fragments take on a host.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "DiskFragment", DefaultParameterSetName = ByPath)]
[OutputType(typeof(DiskFragment))]
public sealed class GetDiskFragmentCommand : DiskFragmentChoiceCmdlet
{
    /// <summary>Paths of disks at their source, or names of their files; wildcards are allowed. Without it, all fragments.</summary>
    [Parameter(Position = 0, ParameterSetName = ByPath, ValueFromPipeline = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DiskFragmentPathCompleter))]
    [Alias("SourcePath")]
    public override string[] Path { get; set; } = ["*"];

    private protected override void ProcessFragment(LocatedDiskFragment fragment) =>
        WriteObject(DiskFragment.From(fragment.Host.Name, fragment.Fragment));
}
