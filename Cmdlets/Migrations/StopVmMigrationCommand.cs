using System.Management.Automation;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>Cancels migrations that have not been committed yet; the VMs run on at their source hosts.</summary>
/// <remarks>Returns when the migration has ended, whichever way: one that completed first is completed.</remarks>
/// <example>
/// <code>Stop-VmMigration web01 -PassThru</code>
/// <para>Cancels the migration of a VM and writes how it ended.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Stop, "VmMigration", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(VmMigrationOperation))]
public sealed class StopVmMigrationCommand : MigrationSelectionCmdlet
{
    /// <summary>Write the migration as it ended.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override void ProcessMigration(LocatedMigration migration, object target)
    {
        if (!ShouldProcess(migration.Title, "Cancel")) return;
        MigrationStatus? status = Attempt(target, token => migration.Host.CancelMigrationAsync(migration.Status.Id, token));
        if (status is not null && PassThru) WriteObject(VmMigrationOperation.From(status));
    }
}
