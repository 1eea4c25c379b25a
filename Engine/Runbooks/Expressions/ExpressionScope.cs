namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>The values an expression can name.</summary>
/// <param name="Parameters">The runbook's parameters by name.</param>
/// <param name="Steps">The steps that have ended, by id; a step that is missing has not run.</param>
/// <param name="Properties">Reads properties of what cmdlets returned.</param>
internal sealed record ExpressionScope(
    IReadOnlyDictionary<string, object?> Parameters,
    IReadOnlyDictionary<string, StepValue> Steps,
    IPropertyReader Properties)
{
    /// <summary>Whether <c>item</c> may be named.</summary>
    public bool HasItem { get; init; }

    /// <summary>The item of a <c>forEach</c>.</summary>
    public object? Item { get; init; }
}
