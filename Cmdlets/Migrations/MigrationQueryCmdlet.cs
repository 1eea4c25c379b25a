using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets that look at migrations; at all of them where none are chosen.</summary>
public abstract class MigrationQueryCmdlet : MigrationChoiceCmdlet
{
    /// <summary>Names of VMs; wildcards are allowed. Without it, those of all migrations.</summary>
    [Parameter(Position = 0, ParameterSetName = ByName, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(VmNameCompleter))]
    [Alias("VmName")]
    public override string[] Name { get; set; } = ["*"];

    /// <summary>Writes what is asked for about the migrations that one argument chose, oldest first.</summary>
    private protected abstract void WriteMigrations(IReadOnlyList<LocatedMigration> migrations);

    private protected sealed override void ProcessFound(IReadOnlyList<LocatedMigration> migrations, object target) =>
        WriteMigrations(migrations);
}
