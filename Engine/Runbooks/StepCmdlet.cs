using System.Diagnostics.CodeAnalysis;

namespace VmMigration.Engine.Runbooks;

/// <summary>A cmdlet that runbooks may run.</summary>
/// <param name="Name">Verb and noun, for example <c>Start-VmMigration</c>.</param>
/// <param name="Parameters">What it can be given.</param>
public sealed record StepCmdlet(string Name, IReadOnlyList<StepParameter> Parameters)
{
    /// <summary>Whether it only looks: a Get or Test cmdlet, which also runs when a run is only planned.</summary>
    public bool OnlyReads =>
        Name.StartsWith("Get-", StringComparison.OrdinalIgnoreCase) || Name.StartsWith("Test-", StringComparison.OrdinalIgnoreCase);

    /// <summary>Finds a parameter by its name or an alias of it, without regard to case.</summary>
    public bool TryFindParameter(string name, [NotNullWhen(true)] out StepParameter? parameter)
    {
        parameter = Parameters.FirstOrDefault(candidate => candidate.Name.Equals(name, StringComparison.OrdinalIgnoreCase)
            || candidate.Aliases.Contains(name, StringComparer.OrdinalIgnoreCase));
        return parameter is not null;
    }
}
