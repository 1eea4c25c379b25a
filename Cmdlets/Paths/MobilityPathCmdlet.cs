using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets that act on mobility paths that are there, chosen by id or by object.</summary>
public abstract class MobilityPathCmdlet : MigrationCmdlet
{
    internal const string ById = "Id";

    /// <summary>Ids of paths. Objects of New-MobilityPath and Get-MobilityPath bind by it.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(MobilityPathIdCompleter))]
    [Alias("PathId")]
    public Guid[] Id { get; set; } = [];

    /// <summary>Acts on each path that was chosen.</summary>
    protected override void ProcessRecord()
    {
        foreach (Guid id in Id)
        {
            foreach (MobilityPath path in AttemptSearch(id, token => MobilityPathLookup.FindByIdAsync(id, token))) ProcessPath(path);
        }
    }

    /// <summary>Acts on one path.</summary>
    private protected abstract void ProcessPath(MobilityPath path);
}
