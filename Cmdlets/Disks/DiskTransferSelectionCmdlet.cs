using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets that act on disk transfers, one of each disk: the one under way, else the last.</summary>
public abstract class DiskTransferSelectionCmdlet : DiskTransferChoiceCmdlet
{
    /// <summary>
    /// Paths of disks at their source, or names of their files; wildcards are allowed. Of each disk's transfers to the same place the one
    /// under way is meant, else the last.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByPath, ValueFromPipeline = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DiskTransferPathCompleter))]
    [Alias("SourcePath")]
    public override string[] Path { get; set; } = [];

    /// <summary>Whether the cmdlet has anything to do for a transfer in its state.</summary>
    private protected virtual bool IsMeant(LocatedDiskTransfer transfer) => true;

    /// <summary>Acts on one transfer; <paramref name="target"/> is what the user named it by, for error records.</summary>
    private protected abstract void ProcessTransfer(LocatedDiskTransfer transfer, object target);

    private protected sealed override void ProcessFound(IReadOnlyList<LocatedDiskTransfer> transfers, object target)
    {
        foreach (LocatedDiskTransfer transfer in DiskTransferLookup.Meant(transfers, target, IsMeant)) ProcessTransfer(transfer, target);
    }
}
