using System.Security.Authentication;
using Grpc.Core;

namespace VmMigration.Engine.Hosts.Remote;

/// <summary>Turns what a call to an agent failed with into the engine's one exception.</summary>
/// <param name="agent">The agent, as messages name it.</param>
internal sealed class AgentFailures(string agent)
{
    private int handshakes;
    private int answered;

    /// <summary>A TLS connection was made, as far as this side can say.</summary>
    public void NoteHandshake() => Interlocked.Increment(ref handshakes);

    /// <summary>The agent answered a call.</summary>
    public void NoteAnswer() => Volatile.Write(ref answered, Volatile.Read(ref handshakes));

    /// <summary>Whether the call broke with its connection, so that nobody can say what became of it at the agent.</summary>
    public static bool IsConnectionLost(RpcException error)
    {
        if (error.Trailers.Get(FailureTrailer.Name) is not null || FindRefusal(error) is not null) return false;
        return error.StatusCode switch
        {
            StatusCode.Unavailable => true,
            StatusCode.Cancelled => true,
            StatusCode.Internal or StatusCode.Unknown => error.Status.DebugException is IOException or HttpRequestException,
            _ => false,
        };
    }

    /// <summary>Whether there was not even a connection, so that the agent cannot have seen the call.</summary>
    public static bool WasNeverSent(RpcException error) => IsConnectionLost(error)
        && error.Status.DebugException is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError };

    /// <summary>The exception to throw for a failed call.</summary>
    /// <exception cref="OperationCanceledException">The caller cancelled it.</exception>
    public MigrationException Explain(RpcException error, CancellationToken cancellationToken)
    {
        if (error.Status.DebugException is null) NoteAnswer();
        if (FailureTrailer.Read(error) is { } failure) return failure;
        cancellationToken.ThrowIfCancellationRequested();
        if (FindRefusal(error) is { } refusal) return refusal;
        if (IsConnectionLost(error)) return IsUnanswered ? Refused(error) : Lost(error);
        return error.StatusCode switch
        {
            StatusCode.DeadlineExceeded => new(MigrationErrorReason.TimedOut, $"The agent {agent} did not answer in time.",
                "See what keeps the machine busy, then try again.", error),
            StatusCode.Unimplemented => new(MigrationErrorReason.VersionMismatch,
                $"What answers at {agent} does not know this call: {error.Status.Detail}",
                "Check that it is a host agent, and run the same version of VmMigration there.", error),
            StatusCode.PermissionDenied or StatusCode.Unauthenticated => new(MigrationErrorReason.AccessDenied,
                $"The agent {agent} refused the call: {error.Status.Detail}", "Use a certificate that the agent accepts.", error),
            StatusCode.ResourceExhausted => new(MigrationErrorReason.ProtocolViolation,
                $"A message exceeds what is allowed between here and {agent}: {error.Status.Detail}",
                "Ask for less at once.", error),
            _ => new(MigrationErrorReason.AgentFailed, $"The agent {agent} failed: {error.Status.Detail}",
                "Look into the agent's log.", error),
        };
    }

    /// <summary>The exception for a lost connection.</summary>
    public MigrationException Lost(Exception cause) => new(
        MigrationErrorReason.ConnectionLost, $"The agent {agent} cannot be reached: {Innermost(cause).Message}",
        "Check that the agent runs and that the network reaches it, then look at the state of its VMs and migrations: they go on without "
        + "this session.", cause);

    /// <summary>
    /// Whether a TLS connection was made since the agent answered last: with TLS 1.3 an agent looks at the client's certificate when the
    /// client takes the connection for made, and the runtime shows its refusal (an alert, RFC 8446, 6.2) only as a connection that closed.
    /// </summary>
    private bool IsUnanswered => Volatile.Read(ref handshakes) != Volatile.Read(ref answered);

    private MigrationException Refused(RpcException error) => new(
        MigrationErrorReason.AccessDenied,
        $"The agent {agent} closed the connection before it answered anything, as it does when it refuses the own certificate.",
        "Use a certificate that is valid and of an authority that the agent trusts; the agent's log says what it refused.", error);

    private static Exception Innermost(Exception error)
    {
        Exception cause = (error as RpcException)?.Status.DebugException ?? error;
        while (cause.InnerException is { } inner) cause = inner;
        return cause;
    }

    /// <summary>The refusal of one of the sides by the other, where a connection failed for that; else null.</summary>
    private static MigrationException? FindRefusal(RpcException error)
    {
        for (Exception? cause = error.Status.DebugException; cause is not null; cause = cause.InnerException)
        {
            if (cause is MigrationException own) return new(own.Reason, own.Message, own.RecommendedAction, error);
            if (cause is AuthenticationException)
            {
                return new(MigrationErrorReason.AccessDenied,
                    $"No secure connection could be made, either side having refused the other's certificate or protocol: "
                    + $"{Innermost(cause).Message}",
                    "Use a certificate that is valid and of an authority that the agent trusts; the agent's log says what it refused.",
                    error);
            }
        }

        return null;
    }
}
