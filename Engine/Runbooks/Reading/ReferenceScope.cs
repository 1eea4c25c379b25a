namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>What expressions at one place of a runbook can refer to.</summary>
/// <param name="Parameters">Names of the runbook's parameters.</param>
/// <param name="Steps">Ids of the steps that ran before, in order.</param>
/// <param name="LaterSteps">Ids of the step itself and of those after it.</param>
internal sealed record ReferenceScope(
    IReadOnlyCollection<string> Parameters, IReadOnlyCollection<string> Steps, IReadOnlyCollection<string> LaterSteps)
{
    /// <summary>Whether the place belongs to a <c>forEach</c>.</summary>
    public bool HasItem { get; init; }
}
