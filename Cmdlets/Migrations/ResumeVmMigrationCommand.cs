using System.Management.Automation;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>Goes on with migrations that do not go on by themselves: paused in post-copy, or undecided.</summary>
/// <remarks>
/// In state PostcopyPaused the link broke after the VM had resumed at the destination: the VM is paused there, and the rest of its memory is
/// kept at the source, so both hosts are needed. Mend the link first. Returns once pages flow again, or with -Wait when the last one has
/// arrived.
/// In state Undecided a host was lost while the VM was being handed over: both copies are kept paused. The source asks the destination how
/// it ended. Where the destination does not answer, the migration stays undecided, and an error says so; -Force takes the VM back then.
/// A name with wildcards means those migrations only that are in one of these states.
/// </remarks>
/// <example>
/// <code>Resume-VmMigration web01 -Wait</code>
/// <para>Goes on with the migration of a VM and waits for its end.</para>
/// </example>
/// <example>
/// <code>Get-VmMigration | Where-Object State -eq PostcopyPaused | Resume-VmMigration -PassThru | Wait-VmMigration -Timeout 10min</code>
/// <para>Goes on with all paused migrations.</para>
/// </example>
/// <example>
/// <code>Resume-VmMigration web01 -Force</code>
/// <para>
/// Runs a VM at its source host again whose migration is undecided, after you have seen to it that the destination is off for good.
/// </para>
/// </example>
[Cmdlet(VerbsLifecycle.Resume, "VmMigration", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(VmMigrationOperation))]
public sealed class ResumeVmMigrationCommand : MigrationSelectionCmdlet
{
    private readonly List<LocatedMigration> resumed = [];

    /// <summary>
    /// Take an undecided VM back where the destination does not answer. If it does run there, it then runs twice, and what both write to
    /// their disks destroys them: make sure first that the destination host is off or that it has no such VM. Does not ask again; -Confirm
    /// does.
    /// </summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>Show progress until the migrations have ended, and write those that completed.</summary>
    [Parameter]
    public SwitchParameter Wait { get; set; }

    /// <summary>Write the migration as it goes on. With -Wait it is written anyway, at its end.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>Waits for what was resumed, where that was asked for.</summary>
    protected override void EndProcessing()
    {
        if (Wait) new OperationWait(this).WaitForAll(resumed, timeout: null);
    }

    private protected override void ProcessMigration(LocatedMigration migration, object target)
    {
        bool isUndecided = migration.Status.State == Engine.Migration.MigrationState.Undecided;
        bool isPaused = migration.Status.State == Engine.Migration.MigrationState.PostcopyPaused;
        if (!isPaused && !isUndecided && target is string pattern && WildcardPattern.ContainsWildcardCharacters(pattern)) return;
        if (!IsAgreed(Force, migration.Title, isUndecided ? NameOfDecision(migration.Status) : "Resume")) return;
        MigrationStatus? status = Attempt(target, token => migration.Host.ResumeMigrationAsync(migration.Status.Id, Force, token));
        if (status is null) return;
        if (Wait) resumed.Add(migration with { Status = status });
        else if (PassThru) WriteObject(VmMigrationOperation.From(status));
    }

    private string NameOfDecision(MigrationStatus status) => Force
        ? $"Run the VM at {status.SourceHostName} whatever {status.DestinationHostName} says (if it runs there too, both destroy its disks)"
        : $"Ask {status.DestinationHostName} how it ended";
}
