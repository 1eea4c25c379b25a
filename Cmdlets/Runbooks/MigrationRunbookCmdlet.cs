using System.Collections;
using System.Management.Automation;
using VmMigration.Engine.Runbooks;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets that read a runbook.</summary>
public abstract class MigrationRunbookCmdlet : MigrationCmdlet
{
    /// <summary>The runbook's file.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [Alias("FullName", "PSPath")]
    public string Path { get; set; } = null!;

    /// <summary>Values for the runbook's parameters, by name.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNull]
    public Hashtable Parameter { get; set; } = [];

    /// <summary>Reads the runbook and gives its parameters their values.</summary>
    /// <param name="bindParameters">Whether a parameter without a value is an error.</param>
    /// <param name="runbook">The runbook; null where there are diagnostics.</param>
    /// <param name="values">The parameters' values.</param>
    private protected IReadOnlyList<RunbookDiagnostic> Read(
        bool bindParameters, out Runbook? runbook, out IReadOnlyDictionary<string, object?> values)
    {
        RunbookReading reading = new RunbookReader(CmdletCatalog.Catalog).ReadFile(GetUnresolvedProviderPathFromPSPath(Path));
        runbook = reading.Runbook;
        values = new Dictionary<string, object?>();
        if (runbook is null || !bindParameters) return reading.Diagnostics;
        Dictionary<string, object?> given = [];
        foreach (DictionaryEntry entry in Parameter) given[entry.Key.ToString()!] = (entry.Value as PSObject)?.BaseObject ?? entry.Value;
        IReadOnlyList<RunbookDiagnostic> diagnostics = ParameterBinder.Bind(runbook, given, out values);
        if (diagnostics.Count > 0) runbook = null;
        return diagnostics;
    }
}
