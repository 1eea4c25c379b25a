using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets that act on migrations chosen by VM name, by id or by object.</summary>
public abstract class MigrationSelectionCmdlet : MigrationCmdlet
{
    internal const string ByName = "Name";
    internal const string ById = "Id";
    internal const string ByMigration = "Migration";
    internal const string ByVm = "Vm";

    /// <summary>Names of migrating VMs; wildcards are allowed. Of each VM's migrations the one under way is meant, else the last.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByName, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(VmNameCompleter))]
    [Alias("VmName")]
    public string[] Name { get; set; } = [];

    /// <summary>Ids of migrations.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(MigrationIdCompleter))]
    public Guid[] Id { get; set; } = [];

    /// <summary>Migration objects, as Start-VmMigration and Get-VmMigration write them.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByMigration, ValueFromPipeline = true)]
    public VmMigrationOperation[] InputObject { get; set; } = [];

    /// <summary>VM objects. Of each VM's migrations the one under way is meant, else the last.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByVm, ValueFromPipeline = true)]
    public MigrationVm[] Vm { get; set; } = [];

    /// <summary>Finds the chosen migrations and acts on each.</summary>
    protected override void ProcessRecord()
    {
        switch (ParameterSetName)
        {
            case ById:
                foreach (Guid id in Id) ProcessAll(id, token => MigrationLookup.FindByIdAsync(id, token));
                break;
            case ByMigration:
                foreach (VmMigrationOperation operation in InputObject)
                {
                    ProcessAll(operation, token => MigrationLookup.FindByIdAsync(operation.Id, token));
                }

                break;
            case ByVm:
                foreach (MigrationVm vm in Vm) ProcessAll(vm, token => MigrationLookup.FindByVmIdAsync(vm.Id, token));
                break;
            default:
                foreach (string name in Name) ProcessAll(name, token => MigrationLookup.FindByVmNameAsync(name, token));
                break;
        }
    }

    /// <summary>Acts on one migration; <paramref name="target"/> is what the user named it by, for error records.</summary>
    private protected abstract void ProcessMigration(LocatedMigration migration, object target);

    private void ProcessAll(object target, Func<CancellationToken, Task<IReadOnlyList<LocatedMigration>>> find)
    {
        IReadOnlyList<LocatedMigration>? migrations = Attempt(target, find);
        foreach (LocatedMigration migration in MigrationLookup.PresentOnes(migrations ?? [])) ProcessMigration(migration, target);
    }
}
