using System.Management.Automation;
using VmMigration.Engine.Runbooks;

namespace VmMigration.Cmdlets;

/// <summary>Checks a runbook without running anything.</summary>
/// <remarks>
/// Writes one object for each thing that is wrong, with file, line, column and a hint; nothing where the runbook can run. Cmdlets, their
/// parameters, types and references are all checked. With -Parameter the given values are checked too.
/// </remarks>
/// <example>
/// <code>Test-MigrationRunbook ./evacuate.yaml | Format-List</code>
/// <para>Lists what is wrong with a runbook.</para>
/// </example>
/// <example>
/// <code>if (Test-MigrationRunbook ./evacuate.yaml -Quiet) { Invoke-MigrationRunbook ./evacuate.yaml }</code>
/// <para>Runs a runbook only where it is valid.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "MigrationRunbook")]
[OutputType(typeof(MigrationRunbookDiagnostic), typeof(bool))]
public sealed class TestMigrationRunbookCommand : MigrationRunbookCmdlet
{
    /// <summary>Write only whether the runbook is valid.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    /// <summary>Checks the runbook.</summary>
    protected override void ProcessRecord()
    {
        bool bind = MyInvocation.BoundParameters.ContainsKey(nameof(Parameter));
        IReadOnlyList<RunbookDiagnostic> diagnostics = Read(bind, out _, out _);
        if (Quiet) WriteObject(diagnostics.Count == 0);
        else WriteObject(diagnostics.Select(MigrationRunbookDiagnostic.From), enumerateCollection: true);
    }
}
