using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Gets disk transfers, under way and ended, oldest first.</summary>
/// <remarks>
/// The objects are snapshots: pipe one into Get-DiskTransfer to refresh it. A transfer is known to its source host, also after this session
/// was closed.
/// </remarks>
/// <example>
/// <code>Get-DiskTransfer | Where-Object HasEnded -eq $false</code>
/// <para>Lists the transfers under way.</para>
/// </example>
/// <example>
/// <code>Get-DiskTransfer web01.qcow2 | Format-List SizeBytes, SentBytes, Resumption, Digest</code>
/// <para>Shows what the copies of a disk sent, and what they began with.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "DiskTransfer", DefaultParameterSetName = ByPath)]
[OutputType(typeof(DiskTransfer))]
public sealed class GetDiskTransferCommand : DiskTransferChoiceCmdlet
{
    /// <summary>Paths of disks at their source, or names of their files; wildcards are allowed. Without it, all transfers.</summary>
    [Parameter(Position = 0, ParameterSetName = ByPath, ValueFromPipeline = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DiskTransferPathCompleter))]
    [Alias("SourcePath")]
    public override string[] Path { get; set; } = ["*"];

    private protected override void ProcessFound(IReadOnlyList<LocatedDiskTransfer> transfers, object target)
    {
        foreach (LocatedDiskTransfer transfer in transfers) WriteObject(DiskTransfer.From(transfer.Status));
    }
}
