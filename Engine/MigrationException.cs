namespace VmMigration.Engine;

/// <summary>The engine's one exception: a reason, a sentence that says what happened, and what to do next.</summary>
public class MigrationException : Exception
{
    /// <param name="reason">Why the operation failed.</param>
    /// <param name="message">What happened, with the names and values it happened to.</param>
    /// <param name="recommendedAction">What an administrator should do next; null where the message already says it.</param>
    /// <param name="innerException">The cause, where another exception was it.</param>
    public MigrationException(
        MigrationErrorReason reason, string message, string? recommendedAction = null, Exception? innerException = null)
        : base(message, innerException)
    {
        Reason = reason;
        RecommendedAction = recommendedAction;
    }

    /// <summary>Why the operation failed.</summary>
    public MigrationErrorReason Reason { get; }

    /// <summary>What to do next, or null.</summary>
    public string? RecommendedAction { get; }
}
