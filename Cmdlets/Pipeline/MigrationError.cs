using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Disks;
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

    /// <summary>Why a migration ended without completing, or does not go on by itself.</summary>
    public static MigrationException FailureOf(MigrationStatus status)
    {
        if (status.State == Engine.Migration.MigrationState.PostcopyPaused) return Standstill(status);
        string name = $"Migration of '{status.VmName}' from {status.SourceHostName} to {status.DestinationHostName}";
        string outcome = status.State == Engine.Migration.MigrationState.Undecided
            ? "ended undecided; both copies are kept paused"
            : "was rolled back; the VM is on its source host as before";
        return new(status.ErrorReason, $"{name} {outcome}: {status.ErrorMessage}", status.RecommendedAction);
    }

    /// <summary>Why a disk transfer ended without completing.</summary>
    public static MigrationException FailureOf(DiskTransferStatus status)
    {
        string name = $"Copy of '{status.SourcePath}' from {status.SourceHostName} to {status.DestinationHostName}";
        string outcome = status.State == Engine.Disks.DiskTransferState.Cancelled ? "was stopped" : "failed";
        string kept = status.FragmentId is null
            ? "Nothing of it is kept."
            : $"{status.DurableOffsetBytes >> 20} of {status.SizeBytes >> 20} MiB are kept there as a fragment.";
        string? action = status.RecommendedAction
            ?? (status.FragmentId is null ? null : $"Go on with: Resume-DiskTransfer -Id {status.Id}");
        return new(status.ErrorReason, $"{name} {outcome}: {status.ErrorMessage} {kept}", action);
    }

    /// <summary>What a migration that stands still in post-copy says, whatever broke its link.</summary>
    private static MigrationException Standstill(MigrationStatus status) => new(
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
