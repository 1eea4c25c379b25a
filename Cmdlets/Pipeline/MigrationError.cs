using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>Maps what went wrong in the engine to PowerShell's error records. The error id is the reason's name.</summary>
internal static class MigrationError
{
    public static ErrorRecord ToRecord(MigrationException exception, object? target) =>
        new(exception, exception.Reason.ToString(), CategoryOf(exception.Reason), target)
        {
            ErrorDetails = new(exception.Message) { RecommendedAction = exception.RecommendedAction ?? "" },
        };

    /// <summary>The error of a migration that ended without completing.</summary>
    public static ErrorRecord ToRecord(MigrationStatus status, object target)
    {
        string name = $"Migration of '{status.VmName}' from {status.SourceHostName} to {status.DestinationHostName}";
        string outcome = status.State == Engine.Migration.MigrationState.Undecided
            ? "ended undecided; both copies are kept paused"
            : "was rolled back; the VM is on its source host as before";
        return ToRecord(
            new MigrationException(status.ErrorReason, $"{name} {outcome}: {status.ErrorMessage}", status.RecommendedAction), target);
    }

    public static ErrorCategory CategoryOf(MigrationErrorReason reason) => reason switch
    {
        MigrationErrorReason.InvalidArgument => ErrorCategory.InvalidArgument,
        MigrationErrorReason.VmNotFound => ErrorCategory.ObjectNotFound,
        MigrationErrorReason.HostNotFound => ErrorCategory.ObjectNotFound,
        MigrationErrorReason.MigrationNotFound => ErrorCategory.ObjectNotFound,
        MigrationErrorReason.VmAlreadyExists => ErrorCategory.ResourceExists,
        MigrationErrorReason.InvalidState => ErrorCategory.InvalidOperation,
        MigrationErrorReason.PreflightFailed => ErrorCategory.InvalidOperation,
        MigrationErrorReason.PrerequisiteMissing => ErrorCategory.NotInstalled,
        MigrationErrorReason.AccessDenied => ErrorCategory.PermissionDenied,
        MigrationErrorReason.OutOfSpace => ErrorCategory.ResourceUnavailable,
        MigrationErrorReason.VmExited => ErrorCategory.ResourceUnavailable,
        MigrationErrorReason.ConnectionLost => ErrorCategory.ConnectionError,
        MigrationErrorReason.ProtocolViolation => ErrorCategory.ProtocolError,
        MigrationErrorReason.VersionMismatch => ErrorCategory.ProtocolError,
        MigrationErrorReason.TicketRefused => ErrorCategory.AuthenticationError,
        MigrationErrorReason.MemoryMismatch => ErrorCategory.InvalidResult,
        MigrationErrorReason.Undecided => ErrorCategory.InvalidResult,
        MigrationErrorReason.NotConverging => ErrorCategory.LimitsExceeded,
        MigrationErrorReason.HypervisorFailed => ErrorCategory.DeviceError,
        MigrationErrorReason.SystemCallFailed => ErrorCategory.DeviceError,
        MigrationErrorReason.DestinationFailed => ErrorCategory.OperationStopped,
        MigrationErrorReason.StepFailed => ErrorCategory.OperationStopped,
        MigrationErrorReason.Cancelled => ErrorCategory.OperationStopped,
        MigrationErrorReason.TimedOut => ErrorCategory.OperationTimeout,
        MigrationErrorReason.RunbookInvalid => ErrorCategory.ParserError,
        _ => ErrorCategory.NotSpecified,
    };
}
