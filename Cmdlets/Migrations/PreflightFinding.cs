namespace VmMigration.Cmdlets;

/// <summary>One finding of the preflight check.</summary>
/// <param name="Severity">How much it matters.</param>
/// <param name="Check">Short, stable name of the check, for example <c>DestinationMemory</c>.</param>
/// <param name="Message">What was found, with the numbers.</param>
/// <param name="RecommendedAction">What to do about it; null for information.</param>
public sealed record PreflightFinding(PreflightSeverity Severity, string Check, string Message, string? RecommendedAction)
{
    internal static PreflightFinding From(Engine.Migration.PreflightFinding finding) =>
        new((PreflightSeverity)finding.Severity, finding.Check, finding.Message, finding.RecommendedAction);
}
