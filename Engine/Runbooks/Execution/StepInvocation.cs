namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>One call of a cmdlet.</summary>
/// <param name="StepId">The step it belongs to.</param>
/// <param name="Cmdlet">Name of the cmdlet.</param>
/// <param name="Arguments">
/// Values by parameter: <see cref="string"/>, <see cref="long"/>, <see cref="double"/>, <see cref="bool"/>, <see cref="TimeSpan"/>, what
/// another cmdlet returned, lists of these, and maps as <see cref="IReadOnlyDictionary{TKey, TValue}"/> by name.
/// </param>
public sealed record StepInvocation(string StepId, string Cmdlet, IReadOnlyDictionary<string, object?> Arguments);
