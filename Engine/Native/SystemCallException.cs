namespace VmMigration.Engine.Native;

/// <summary>A failed system call, with its error number, for callers to whom that number is an answer.</summary>
public sealed class SystemCallException : MigrationException
{
    /// <param name="errorNumber">The error number of errno(3).</param>
    /// <param name="reason">Why the operation failed.</param>
    /// <param name="message">The call, its arguments and the error.</param>
    /// <param name="recommendedAction">What an administrator should do next, or null.</param>
    public SystemCallException(int errorNumber, MigrationErrorReason reason, string message, string? recommendedAction = null)
        : base(reason, message, recommendedAction) => ErrorNumber = errorNumber;

    /// <summary>The error number of errno(3).</summary>
    public int ErrorNumber { get; }
}
