using System.Management.Automation;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>Goes on with migrations whose link broke after the VM had resumed at the destination.</summary>
/// <remarks>
/// Such a migration is in state PostcopyPaused: the VM is paused at the destination, and the rest of its memory is kept at the source, so
/// both hosts are needed. Mend the link first. Returns once pages flow again, or with -Wait when the last one has arrived. A name with
/// wildcards means those migrations only that are paused.
/// </remarks>
/// <example>
/// <code>Resume-VmMigration web01 -Wait</code>
/// <para>Goes on with the migration of a VM and waits for its end.</para>
/// </example>
/// <example>
/// <code>Get-VmMigration | Where-Object State -eq PostcopyPaused | Resume-VmMigration -PassThru | Wait-VmMigration -Timeout 10min</code>
/// <para>Goes on with all paused migrations.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Resume, "VmMigration", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(VmMigrationOperation))]
public sealed class ResumeVmMigrationCommand : MigrationSelectionCmdlet
{
    private readonly List<LocatedMigration> resumed = [];

    /// <summary>Show progress until the migrations have ended, and write those that completed.</summary>
    [Parameter]
    public SwitchParameter Wait { get; set; }

    /// <summary>Write the migration as it goes on. With -Wait it is written anyway, at its end.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>Waits for what was resumed, where that was asked for.</summary>
    protected override void EndProcessing()
    {
        if (Wait) new MigrationWait(this).WaitForAll(resumed, timeout: null);
    }

    private protected override void ProcessMigration(LocatedMigration migration, object target)
    {
        bool isPaused = migration.Status.State == Engine.Migration.MigrationState.PostcopyPaused;
        if (!isPaused && target is string pattern && WildcardPattern.ContainsWildcardCharacters(pattern)) return;
        if (!ShouldProcess(migration.Title, "Resume")) return;
        MigrationStatus? status = Attempt(target, token => migration.Host.ResumeMigrationAsync(migration.Status.Id, force: false, token));
        if (status is null) return;
        if (Wait) resumed.Add(migration with { Status = status });
        else if (PassThru) WriteObject(VmMigrationOperation.From(status));
    }
}
