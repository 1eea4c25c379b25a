using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets that act on VMs, which must be chosen.</summary>
public abstract class VmSelectionCmdlet : VmChoiceCmdlet
{
    /// <summary>Names of VMs; wildcards are allowed.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByName, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(VmNameCompleter))]
    [Alias("VmName")]
    public override string[] Name { get; set; } = [];

    /// <summary>Hosts to look on, by name (wildcards are allowed) or as objects. Without it, all hosts of this session.</summary>
    [Parameter(ParameterSetName = ByName, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    [Alias("SourceHostName")]
    public override MigrationHostReference[]? HostName { get; set; }
}
