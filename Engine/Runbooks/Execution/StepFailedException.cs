namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>The cmdlet of a step reported an error.</summary>
public sealed class StepFailedException : MigrationException
{
    /// <param name="errorId">The error's stable id, for example <c>VmNotFound</c>.</param>
    /// <param name="message">What happened.</param>
    /// <param name="recommendedAction">What to do next; null where the message says it.</param>
    /// <param name="innerException">The cause, where there is one.</param>
    public StepFailedException(string errorId, string message, string? recommendedAction, Exception? innerException = null)
        : base(MigrationErrorReason.StepFailed, message, recommendedAction, innerException) => ErrorId = errorId;

    /// <summary>The error's stable id.</summary>
    public string ErrorId { get; }
}
