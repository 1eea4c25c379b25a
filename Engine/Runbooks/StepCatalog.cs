using System.Diagnostics.CodeAnalysis;

namespace VmMigration.Engine.Runbooks;

/// <summary>The cmdlets that runbooks may run. Anything else is refused when a runbook is read.</summary>
public sealed class StepCatalog
{
    private readonly Dictionary<string, StepCmdlet> cmdlets;

    /// <param name="cmdlets">The cmdlets, each with a name of its own.</param>
    public StepCatalog(IEnumerable<StepCmdlet> cmdlets)
    {
        ArgumentNullException.ThrowIfNull(cmdlets);
        this.cmdlets = cmdlets.ToDictionary(cmdlet => cmdlet.Name, StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>The names, sorted.</summary>
    public IReadOnlyList<string> Names => [.. cmdlets.Keys.Order(StringComparer.OrdinalIgnoreCase)];

    /// <summary>Finds a cmdlet by its name, without regard to case.</summary>
    public bool TryFind(string name, [NotNullWhen(true)] out StepCmdlet? cmdlet) => cmdlets.TryGetValue(name, out cmdlet);
}
