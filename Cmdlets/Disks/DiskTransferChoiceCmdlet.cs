using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets whose disk transfers are chosen by the disk's path, by id or by object.</summary>
public abstract class DiskTransferChoiceCmdlet : MigrationCmdlet
{
    internal const string ByPath = "Path";
    internal const string ById = "Id";
    internal const string ByTransfer = "Transfer";

    /// <summary>Paths of disks, or names of their files; wildcards are allowed. Whether one must be given is the subclass's to declare.</summary>
    public abstract string[] Path { get; set; }

    /// <summary>Ids of transfers.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(DiskTransferIdCompleter))]
    public Guid[] Id { get; set; } = [];

    /// <summary>Transfer objects, as Start-DiskTransfer and Get-DiskTransfer write them.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByTransfer, ValueFromPipeline = true)]
    public DiskTransfer[] InputObject { get; set; } = [];

    /// <summary>Finds the transfers that each argument chose, and processes them.</summary>
    protected override void ProcessRecord()
    {
        switch (ParameterSetName)
        {
            case ById:
                foreach (Guid id in Id) Process(id, token => DiskTransferLookup.FindByIdAsync(id, token));
                break;
            case ByTransfer:
                foreach (DiskTransfer transfer in InputObject)
                {
                    Process(transfer, token => DiskTransferLookup.FindByIdAsync(transfer.Id, token));
                }

                break;
            default:
                foreach (string path in Path) Process(path, token => DiskTransferLookup.FindByPathAsync(path, limit: null, token));
                break;
        }
    }

    /// <summary>Does the cmdlet's work with the transfers that one argument chose, with none where none was found.</summary>
    /// <param name="transfers">The transfers found, oldest first.</param>
    /// <param name="target">What the user named them by, for error records.</param>
    private protected abstract void ProcessFound(IReadOnlyList<LocatedDiskTransfer> transfers, object target);

    private void Process(object target, Func<CancellationToken, Task<HostAnswers<LocatedDiskTransfer>>> find) =>
        ProcessFound(AttemptSearch(target, find), target);
}
