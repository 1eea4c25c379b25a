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
public sealed class GetVmMigrationCommand : MigrationQueryCmdlet
{
    private protected override void WriteMigrations(IReadOnlyList<LocatedMigration> migrations)
    {
        foreach (LocatedMigration migration in migrations) WriteObject(VmMigrationOperation.From(migration.Status));
    }
}
