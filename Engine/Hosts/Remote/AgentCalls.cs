using Grpc.Core;
using Polly;
using Polly.Retry;

namespace VmMigration.Engine.Hosts.Remote;

/// <summary>Makes calls to an agent: what may be tried again is tried again, and failures become the engine's one exception.</summary>
/// <param name="failures">Explains failures.</param>
internal sealed class AgentCalls(AgentFailures failures)
{
    // Reads that take no part in the life of a VM; describing a host tries its hypervisors once, which is the longest of them.
    private static readonly TimeSpan readTimeLimit = TimeSpan.FromSeconds(60);

    private static readonly ResiliencePipeline unrepeatable = MakePipeline(AgentFailures.WasNeverSent);

    private int closed;

    /// <summary>Tries again, a few times within a second, what broke with its connection.</summary>
    public static ResiliencePipeline Repeatable { get; } = MakePipeline(AgentFailures.IsConnectionLost);

    private bool IsClosed => Volatile.Read(ref closed) != 0;

    /// <summary>Makes the calls after this one fail.</summary>
    public void Close() => Volatile.Write(ref closed, 1);

    /// <summary>A call that changes nothing and is answered at once: it has a time limit and repeated where its connection broke.</summary>
    public Task<T> ReadAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call, CancellationToken cancellationToken) =>
        RunAsync(Repeatable, readTimeLimit, call, cancellationToken);

    /// <summary>A call that may last, and that does no harm when it is made twice.</summary>
    public Task<T> RepeatAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call, CancellationToken cancellationToken) =>
        RunAsync(Repeatable, null, call, cancellationToken);

    /// <summary>A call that may last and must not be made twice: it is repeated only where it cannot have left this machine.</summary>
    public Task<T> WriteAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call, CancellationToken cancellationToken) =>
        RunAsync(unrepeatable, null, call, cancellationToken);

    /// <summary>Throws where the host was disposed.</summary>
    public void RequireOpen()
    {
        if (IsClosed) throw Closed(null);
    }

    /// <summary>The exception to throw for a failed call.</summary>
    /// <exception cref="OperationCanceledException">The caller cancelled it.</exception>
    public MigrationException Explain(RpcException error, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return IsClosed && AgentFailures.IsConnectionLost(error)
            ? Closed(error) : failures.Explain(error, cancellationToken);
    }

    /// <summary>The exception for a call after the host was disposed.</summary>
    public static MigrationException Closed(Exception? cause) => new(
        MigrationErrorReason.InvalidState, "The host is disconnected.", "Connect it again.", cause);

    private static ResiliencePipeline MakePipeline(Func<RpcException, bool> mayRepeat) => new ResiliencePipelineBuilder()
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle(mayRepeat),
            MaxRetryAttempts = 3,
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            Delay = TimeSpan.FromMilliseconds(100),
        })
        .Build();

    private async Task<T> RunAsync<T>(
        ResiliencePipeline pipeline, TimeSpan? timeLimit, Func<CallOptions, AsyncUnaryCall<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            return await pipeline.ExecuteAsync(
                async token =>
                {
                    RequireOpen();
                    DateTime? deadline = timeLimit is { } limit ? DateTime.UtcNow + limit : null;
                    using AsyncUnaryCall<T> running = call(new CallOptions(deadline: deadline, cancellationToken: token));
                    T response = await running.ResponseAsync.ConfigureAwait(false);
                    failures.NoteAnswer();
                    return response;
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            throw Explain(e, cancellationToken);
        }
        catch (ObjectDisposedException e) when (IsClosed)
        {
            throw Closed(e);
        }
    }
}
