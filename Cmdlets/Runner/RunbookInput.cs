using VmMigration.Cmdlets;
using VmMigration.Engine.Runbooks;

namespace VmMigration.Runner;

/// <summary>A runbook and the values of its parameters, ready to run.</summary>
/// <param name="Runbook">The runbook.</param>
/// <param name="Values">A value for each of its parameters.</param>
internal sealed record RunbookInput(Runbook Runbook, IReadOnlyDictionary<string, object?> Values)
{
    /// <summary>Reads the runbook and the parameters; says on standard error what is wrong.</summary>
    /// <param name="path">The runbook's file.</param>
    /// <param name="parameters">Texts of the form <c>name=value</c>.</param>
    /// <param name="requireAll">Whether a parameter with neither value nor default is wrong.</param>
    /// <returns>null where something is wrong.</returns>
    public static RunbookInput? Read(string path, IReadOnlyList<string> parameters, bool requireAll)
    {
        Dictionary<string, object?> given = new(StringComparer.OrdinalIgnoreCase);
        foreach (string parameter in parameters)
        {
            int equals = parameter.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1)
            {
                Console.Error.WriteLine($"'{parameter}' is no parameter. Write --parameter name=value.");
                return null;
            }

            given[parameter[..equals]] = parameter[(equals + 1)..];
        }

        RunbookReading reading = new RunbookReader(CmdletCatalog.Catalog).ReadFile(path);
        IReadOnlyList<RunbookDiagnostic> diagnostics = reading.Diagnostics;
        IReadOnlyDictionary<string, object?> values = given;
        if (reading.Runbook is not null && (requireAll || given.Count > 0))
        {
            diagnostics = ParameterBinder.Bind(reading.Runbook, given, out values);
        }

        foreach (RunbookDiagnostic diagnostic in diagnostics) Console.Error.WriteLine(diagnostic);
        return diagnostics.Count == 0 ? new(reading.Runbook!, values) : null;
    }
}
