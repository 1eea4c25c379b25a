using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets that look at VMs, chosen also by their host; at all of them where nothing is chosen.</summary>
public abstract class VmQueryCmdlet : VmChoiceCmdlet
{
    internal const string ByHost = "Host";

    /// <summary>Names of VMs; wildcards are allowed. Without it, all VMs.</summary>
    [Parameter(Position = 0, ParameterSetName = ByName, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Parameter(Position = 0, ParameterSetName = ByHost)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(VmNameCompleter))]
    [Alias("VmName")]
    public override string[] Name { get; set; } = ["*"];

    /// <summary>A host object whose VMs are meant.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByHost, ValueFromPipeline = true)]
    public MigrationHost MigrationHost { get; set; } = null!;

    /// <summary>Hosts to look on, by name (wildcards are allowed) or as objects. Without it, all hosts of this session.</summary>
    [Parameter(ParameterSetName = ByName, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public override MigrationHostReference[]? HostName { get; set; }

    private protected override MigrationHostReference[]? SearchedHosts =>
        ParameterSetName == ByHost ? [new(MigrationHost)] : HostName;
}
