using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Memory;
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

    /// <summary>The error of a migration that ended without completing, or does not go on by itself.</summary>
    public static ErrorRecord ToRecord(MigrationStatus status, object target)
    {
        if (status.State == Engine.Migration.MigrationState.PostcopyPaused) return ToRecord(Standstill(status), target);
        string name = $"Migration of '{status.VmName}' from {status.SourceHostName} to {status.DestinationHostName}";
        string outcome = status.State == Engine.Migration.MigrationState.Undecided
            ? "ended undecided; both copies are kept paused"
            : "was rolled back; the VM is on its source host as before";
        return ToRecord(
            new MigrationException(status.ErrorReason, $"{name} {outcome}: {status.ErrorMessage}", status.RecommendedAction), target);
    }

    /// <summary>What a migration that stands still in post-copy says, whatever broke its link.</summary>
    public static MigrationException Standstill(MigrationStatus status) => new(
        MigrationErrorReason.ConnectionLost,
        $"Migration of '{status.VmName}' from {status.SourceHostName} to {status.DestinationHostName} stands still, and with it the VM: "
        + $"{status.ErrorMessage} {(status.Progress.PagesMissing << GuestMemory.PageShift) >> 20} MiB of its memory are still on "
        + $"{status.SourceHostName}; nothing is lost while both hosts run.",
        $"Mend the link, then go on with: Resume-VmMigration {status.VmName}");

    public static ErrorCategory CategoryOf(MigrationErrorReason reason) => reason switch
    {
        MigrationErrorReason.InvalidArgument => ErrorCategory.InvalidArgument,
        MigrationErrorReason.VmNotFound => ErrorCategory.ObjectNotFound,
        MigrationErrorReason.HostNotFound => ErrorCategory.ObjectNotFound,
        MigrationErrorReason.MigrationNotFound => ErrorCategory.ObjectNotFound,
        MigrationErrorReason.DiskNotFound => ErrorCategory.ObjectNotFound,
        MigrationErrorReason.DiskTransferNotFound => ErrorCategory.ObjectNotFound,
        MigrationErrorReason.DiskFragmentNotFound => ErrorCategory.ObjectNotFound,
        MigrationErrorReason.DiskInUse => ErrorCategory.ResourceBusy,
        MigrationErrorReason.DiskFormatUnsupported => ErrorCategory.InvalidType,
        MigrationErrorReason.DiskChanged => ErrorCategory.InvalidData,
        MigrationErrorReason.DiskMismatch => ErrorCategory.InvalidResult,
        MigrationErrorReason.VmAlreadyExists => ErrorCategory.ResourceExists,
        MigrationErrorReason.InvalidState => ErrorCategory.InvalidOperation,
        MigrationErrorReason.LinkRefused => ErrorCategory.SecurityError,
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
        MigrationErrorReason.AgentFailed => ErrorCategory.DeviceError,
        MigrationErrorReason.DestinationFailed => ErrorCategory.OperationStopped,
        MigrationErrorReason.StepFailed => ErrorCategory.OperationStopped,
        MigrationErrorReason.Cancelled => ErrorCategory.OperationStopped,
        MigrationErrorReason.TimedOut => ErrorCategory.OperationTimeout,
        MigrationErrorReason.RunbookInvalid => ErrorCategory.ParserError,
        _ => ErrorCategory.NotSpecified,
    };
}
