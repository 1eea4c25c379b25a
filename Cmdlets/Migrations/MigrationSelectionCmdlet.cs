using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets that act on migrations, one of each VM: the one under way, else the last.</summary>
public abstract class MigrationSelectionCmdlet : MigrationChoiceCmdlet
{
    /// <summary>Names of migrating VMs; wildcards are allowed. Of each VM's migrations the one under way is meant, else the last.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByName, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(VmNameCompleter))]
    [Alias("VmName")]
    public override string[] Name { get; set; } = [];

    /// <summary>Acts on one migration; <paramref name="target"/> is what the user named it by, for error records.</summary>
    private protected abstract void ProcessMigration(LocatedMigration migration, object target);

    private protected sealed override void ProcessFound(IReadOnlyList<LocatedMigration> migrations, object target)
    {
        foreach (LocatedMigration migration in MigrationLookup.PresentOnes(migrations)) ProcessMigration(migration, target);
    }
}
