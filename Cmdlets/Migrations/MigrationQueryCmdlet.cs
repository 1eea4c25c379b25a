using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>
/// Base of the cmdlets that look at migrations chosen by VM name, by id or by object; at all of them where nothing is chosen.
/// </summary>
public abstract class MigrationQueryCmdlet : MigrationCmdlet
{
    internal const string ByName = "Name";
    internal const string ById = "Id";
    internal const string ByMigration = "Migration";
    internal const string ByVm = "Vm";

    /// <summary>Names of VMs; wildcards are allowed. Without it, those of all migrations.</summary>
    [Parameter(Position = 0, ParameterSetName = ByName, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(VmNameCompleter))]
    [Alias("VmName")]
    public string[] Name { get; set; } = ["*"];

    /// <summary>Ids of migrations.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(MigrationIdCompleter))]
    public Guid[] Id { get; set; } = [];

    /// <summary>Migration objects, as Start-VmMigration and Get-VmMigration write them.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByMigration, ValueFromPipeline = true)]
    public VmMigrationOperation[] InputObject { get; set; } = [];

    /// <summary>VM objects whose migrations are meant.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByVm, ValueFromPipeline = true)]
    public MigrationVm[] Vm { get; set; } = [];

    /// <summary>Finds the chosen migrations and writes about them.</summary>
    protected override void ProcessRecord()
    {
        switch (ParameterSetName)
        {
            case ById:
                foreach (Guid id in Id) WriteAll(id, token => MigrationLookup.FindByIdAsync(id, token));
                break;
            case ByMigration:
                foreach (VmMigrationOperation operation in InputObject)
                {
                    WriteAll(operation, token => MigrationLookup.FindByIdAsync(operation.Id, token));
                }

                break;
            case ByVm:
                foreach (MigrationVm vm in Vm) WriteAll(vm, token => MigrationLookup.FindByVmIdAsync(vm.Id, token));
                break;
            default:
                foreach (string name in Name) WriteAll(name, token => MigrationLookup.FindByVmNameAsync(name, token));
                break;
        }
    }

    /// <summary>Writes what is asked for about the migrations that one argument chose, oldest first.</summary>
    private protected abstract void WriteMigrations(IReadOnlyList<LocatedMigration> migrations);

    private void WriteAll(object target, Func<CancellationToken, Task<IReadOnlyList<LocatedMigration>>> find) =>
        WriteMigrations(Attempt(target, find) ?? []);
}
