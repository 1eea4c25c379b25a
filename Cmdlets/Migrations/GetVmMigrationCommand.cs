using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Gets migrations, under way and ended, oldest first.</summary>
/// <remarks>The objects are snapshots: pipe one into Get-VmMigration to refresh it.</remarks>
/// <example>
/// <code>Get-VmMigration | Where-Object HasEnded -eq $false</code>
/// <para>Lists the migrations under way.</para>
/// </example>
/// <example>
/// <code>(Get-VmMigration web01).Result</code>
/// <para>Shows what the migrations of a VM did and cost.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "VmMigration", DefaultParameterSetName = ByName)]
[OutputType(typeof(VmMigrationOperation))]
public sealed class GetVmMigrationCommand : MigrationCmdlet
{
    private const string ByName = "Name";
    private const string ById = "Id";
    private const string ByMigration = "Migration";
    private const string ByVm = "Vm";

    /// <summary>Names of VMs; wildcards are allowed. Without it, all migrations.</summary>
    [Parameter(Position = 0, ParameterSetName = ByName, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(VmNameCompleter))]
    [Alias("VmName")]
    public string[] Name { get; set; } = ["*"];

    /// <summary>Ids of migrations.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(MigrationIdCompleter))]
    public Guid[] Id { get; set; } = [];

    /// <summary>Migration objects to refresh.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByMigration, ValueFromPipeline = true)]
    public VmMigrationOperation[] InputObject { get; set; } = [];

    /// <summary>VM objects whose migrations to get.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByVm, ValueFromPipeline = true)]
    public MigrationVm[] Vm { get; set; } = [];

    /// <summary>Finds and writes the chosen migrations.</summary>
    protected override void ProcessRecord()
    {
        switch (ParameterSetName)
        {
            case ById:
                foreach (Guid id in Id) WriteMigrations(id, token => MigrationLookup.FindByIdAsync(id, token));
                break;
            case ByMigration:
                foreach (VmMigrationOperation operation in InputObject)
                {
                    WriteMigrations(operation, token => MigrationLookup.FindByIdAsync(operation.Id, token));
                }

                break;
            case ByVm:
                foreach (MigrationVm vm in Vm) WriteMigrations(vm, token => MigrationLookup.FindByVmIdAsync(vm.Id, token));
                break;
            default:
                foreach (string name in Name) WriteMigrations(name, token => MigrationLookup.FindByVmNameAsync(name, token));
                break;
        }
    }

    private void WriteMigrations(object target, Func<CancellationToken, Task<IReadOnlyList<LocatedMigration>>> find)
    {
        IReadOnlyList<LocatedMigration>? migrations = Attempt(target, find);
        foreach (LocatedMigration migration in migrations ?? []) WriteObject(VmMigrationOperation.From(migration.Status));
    }
}
