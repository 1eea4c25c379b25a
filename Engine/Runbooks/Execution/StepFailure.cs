namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>Why a step failed. Serializable.</summary>
/// <param name="ErrorId">The error's stable id, for example <c>VmNotFound</c>.</param>
/// <param name="Message">What happened.</param>
/// <param name="RecommendedAction">What to do next; null where the message says it.</param>
public sealed record StepFailure(string ErrorId, string Message, string? RecommendedAction);
