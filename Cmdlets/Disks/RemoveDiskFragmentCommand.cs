using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Removes disk fragments, their files and their records.</summary>
/// <remarks>The next transfer of the disk then sends everything. A fragment that a transfer goes on from cannot be removed.</remarks>
/// <example>
/// <code>Get-DiskFragment | Where-Object StoredAt -lt (Get-Date).AddDays(-1) | Remove-DiskFragment -Force</code>
/// <para>Removes the fragments older than a day without asking.</para>
/// </example>
[Cmdlet(VerbsCommon.Remove, "DiskFragment", DefaultParameterSetName = ByPath, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
public sealed class RemoveDiskFragmentCommand : DiskFragmentChoiceCmdlet
{
    /// <summary>Paths of disks at their source, or names of their files; wildcards are allowed.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByPath, ValueFromPipeline = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DiskFragmentPathCompleter))]
    [Alias("SourcePath")]
    public override string[] Path { get; set; } = [];

    /// <summary>Do not ask.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void ProcessFragment(LocatedDiskFragment fragment)
    {
        if (!IsAgreed(Force, fragment.Title, "Remove fragment")) return;
        Attempt(DiskFragment.From(fragment.Host.Name, fragment.Fragment),
            token => fragment.Host.Disks.RemoveDiskFragmentAsync(fragment.Fragment.Id, token));
    }
}
