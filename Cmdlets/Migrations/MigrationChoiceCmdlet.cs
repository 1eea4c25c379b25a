using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets whose migrations are chosen by VM name, by id or by object.</summary>
public abstract class MigrationChoiceCmdlet : MigrationCmdlet
{
    internal const string ByName = "Name";
    internal const string ById = "Id";
    internal const string ByMigration = "Migration";
    internal const string ByVm = "Vm";

    /// <summary>Names of VMs; wildcards are allowed. Whether one must be given is the subclass's to declare.</summary>
    public abstract string[] Name { get; set; }

    /// <summary>Ids of migrations.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(MigrationIdCompleter))]
    public Guid[] Id { get; set; } = [];

    /// <summary>Migration objects, as Start-VmMigration and Get-VmMigration write them.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByMigration, ValueFromPipeline = true)]
    public VmMigrationOperation[] InputObject { get; set; } = [];

    /// <summary>
    /// VM objects whose migrations are meant; where one migration of a VM is acted on, the one under way, else the last.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = ByVm, ValueFromPipeline = true)]
    public MigrationVm[] Vm { get; set; } = [];

    /// <summary>Finds the migrations that each argument chose, and processes them.</summary>
    protected override void ProcessRecord()
    {
        switch (ParameterSetName)
        {
            case ById:
                foreach (Guid id in Id) Process(id, token => MigrationLookup.FindByIdAsync(id, token));
                break;
            case ByMigration:
                foreach (VmMigrationOperation operation in InputObject)
                {
                    Process(operation, token => MigrationLookup.FindByIdAsync(operation.Id, token));
                }

                break;
            case ByVm:
                foreach (MigrationVm vm in Vm) Process(vm, token => MigrationLookup.FindByVmIdAsync(vm.Id, token));
                break;
            default:
                foreach (string name in Name) Process(name, token => MigrationLookup.FindByVmNameAsync(name, limit: null, token));
                break;
        }
    }

    /// <summary>Does the cmdlet's work with the migrations that one argument chose, with none where none was found.</summary>
    /// <param name="migrations">The migrations found, oldest first.</param>
    /// <param name="target">What the user named them by, for error records.</param>
    private protected abstract void ProcessFound(IReadOnlyList<LocatedMigration> migrations, object target);

    private void Process(object target, Func<CancellationToken, Task<HostAnswers<LocatedMigration>>> find) =>
        ProcessFound(AttemptSearch(target, find), target);
}
