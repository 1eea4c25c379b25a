using Google.Protobuf;
using Grpc.Core;
using VmMigration.Engine.Hosts.Remote.Messages;

namespace VmMigration.Engine.Hosts.Remote;

/// <summary>The trailer that carries the reason, the message and the recommended action of a failed call.</summary>
internal static class FailureTrailer
{
    /// <summary>Its name; <c>-bin</c> makes gRPC carry bytes.</summary>
    public const string Name = "vmmigration-failure-bin";

    /// <summary>The failure as what a gRPC service throws; its status is for programs that do not know the trailer.</summary>
    public static RpcException ToRpc(MigrationException error)
    {
        var trailers = new Metadata { { Name, error.ToMessage().ToByteArray() } };
        return new(new Status(StatusOf(error.Reason), FailureMessages.Shorten(error.Message)), trailers);
    }

    /// <summary>The failure a host reported; null where the call failed for another reason.</summary>
    public static MigrationException? Read(RpcException error)
    {
        if (error.Trailers.GetValueBytes(Name) is not { } bytes) return null;
        try
        {
            return Contract.Failure.Parser.ParseFrom(bytes).ToException(error);
        }
        catch (InvalidProtocolBufferException e)
        {
            return new(MigrationErrorReason.ProtocolViolation, $"A host reported a failure in a form that cannot be read: {e.Message}",
                "Run the same version of VmMigration on both machines.", error);
        }
        catch (MigrationException e)
        {
            return new(MigrationErrorReason.ProtocolViolation,
                $"A host reported a failure of a kind that this version does not know: {error.Status.Detail}", e.RecommendedAction, error);
        }
    }

    internal static StatusCode StatusOf(MigrationErrorReason reason) => reason switch
    {
        MigrationErrorReason.InvalidArgument => StatusCode.InvalidArgument,
        MigrationErrorReason.RunbookInvalid => StatusCode.InvalidArgument,
        MigrationErrorReason.ProtocolViolation => StatusCode.InvalidArgument,
        MigrationErrorReason.VmNotFound => StatusCode.NotFound,
        MigrationErrorReason.HostNotFound => StatusCode.NotFound,
        MigrationErrorReason.MigrationNotFound => StatusCode.NotFound,
        MigrationErrorReason.VmAlreadyExists => StatusCode.AlreadyExists,
        MigrationErrorReason.InvalidState => StatusCode.FailedPrecondition,
        MigrationErrorReason.PrerequisiteMissing => StatusCode.FailedPrecondition,
        MigrationErrorReason.PreflightFailed => StatusCode.FailedPrecondition,
        MigrationErrorReason.VersionMismatch => StatusCode.FailedPrecondition,
        MigrationErrorReason.LinkRefused => StatusCode.FailedPrecondition,
        MigrationErrorReason.Undecided => StatusCode.FailedPrecondition,
        MigrationErrorReason.AccessDenied => StatusCode.PermissionDenied,
        MigrationErrorReason.TicketRefused => StatusCode.PermissionDenied,
        MigrationErrorReason.OutOfSpace => StatusCode.ResourceExhausted,
        MigrationErrorReason.TimedOut => StatusCode.DeadlineExceeded,
        MigrationErrorReason.Cancelled => StatusCode.Cancelled,

        // Not Unavailable: it is another host that was lost, this one answers.
        MigrationErrorReason.ConnectionLost => StatusCode.Aborted,
        MigrationErrorReason.DestinationFailed => StatusCode.Aborted,
        MigrationErrorReason.NotConverging => StatusCode.Aborted,
        MigrationErrorReason.StepFailed => StatusCode.Aborted,
        _ => StatusCode.Internal,
    };
}
