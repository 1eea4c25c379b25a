using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Waits for migrations to end, all at once, and shows their progress.</summary>
/// <remarks>
/// Writes each migration as it completes, with its result. One that was rolled back or could not be decided is a non-terminating error
/// whose TargetObject is the migration. Ctrl+C and the time limit end only the waiting.
/// </remarks>
/// <example>
/// <code>Get-VmMigration | Wait-VmMigration -Timeout 5min</code>
/// <para>Waits for all migrations, five minutes in all.</para>
/// </example>
/// <example>
/// <code>Wait-VmMigration web01 | Select-Object -ExpandProperty Result</code>
/// <para>Shows what the migration did and cost.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Wait, "VmMigration", DefaultParameterSetName = ByName)]
[OutputType(typeof(VmMigrationOperation))]
public sealed class WaitVmMigrationCommand : MigrationSelectionCmdlet
{
    private readonly List<LocatedMigration> chosen = [];

    /// <summary>Time limit for all migrations together: seconds, 5min or a TimeSpan. Without it, as long as it takes.</summary>
    [Parameter]
    [Duration]
    public TimeSpan? Timeout { get; set; }

    /// <summary>Waits for what was chosen.</summary>
    protected override void EndProcessing() => new OperationWait(this).WaitForAll(chosen, Timeout);

    private protected override void ProcessMigration(LocatedMigration migration, object target)
    {
        if (chosen.All(other => other.Status.Id != migration.Status.Id)) chosen.Add(migration);
    }
}
