namespace VmMigration.Runner;

/// <summary>Checks a runbook.</summary>
internal static class ValidateCommand
{
    public static ExitCode Execute(string path, IReadOnlyList<string> parameters)
    {
        if (RunbookInput.Read(path, parameters, requireAll: false) is not { } input) return ExitCode.Invalid;
        int count = input.Runbook.Steps.Count + input.Runbook.Always.Count;
        Console.WriteLine($"{path}: valid, {count} steps.");
        return ExitCode.Success;
    }
}
