using System.Runtime.CompilerServices;
using Grpc.Core;
using Polly;
using Polly.Retry;
using Polly.Timeout;

namespace VmMigration.Engine.Hosts.Remote;

/// <summary>
/// Follows what an agent's host drives until it has ended, over as many streams as that takes: one that breaks is opened again, and begins
/// with the present status.
/// </summary>
/// <param name="calls">Calls to the agent.</param>
/// <param name="failures">Explains failures.</param>
/// <param name="reconnectTimeLimit">How long a broken stream is tried to be opened again.</param>
internal sealed class AgentWatch(AgentCalls calls, AgentFailures failures, TimeSpan reconnectTimeLimit)
{
    private readonly ResiliencePipeline reopening = new ResiliencePipelineBuilder()
        .AddTimeout(reconnectTimeLimit)
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<RpcException>(AgentFailures.IsConnectionLost),
            MaxRetryAttempts = int.MaxValue,
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            Delay = TimeSpan.FromMilliseconds(100),
            MaxDelay = TimeSpan.FromSeconds(3),
        })
        .Build();

    /// <param name="open">Opens a stream that lasts until its token is cancelled.</param>
    /// <param name="toRecord">What a message says.</param>
    /// <param name="hasEnded">Whether a status is the last.</param>
    /// <param name="cancellationToken">Ends the watch; what is watched goes on.</param>
    public async IAsyncEnumerable<TStatus> FollowAsync<TMessage, TStatus>(
        Func<CallOptions, AsyncServerStreamingCall<TMessage>> open, Func<TMessage, TStatus> toRecord, Func<TStatus, bool> hasEnded,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // A stream that never was is an error soon; one that broke is mended for longer.
        ResiliencePipeline opening = AgentCalls.Repeatable;
        while (true)
        {
            using AsyncServerStreamingCall<TMessage> stream = await OpenAsync(open, opening, cancellationToken).ConfigureAwait(false);
            opening = reopening;
            do
            {
                TStatus status = toRecord(stream.ResponseStream.Current);
                yield return status;
                if (hasEnded(status)) yield break;
            }
            while (await HasNextAsync(stream, cancellationToken).ConfigureAwait(false));
        }
    }

    /// <summary>Opens a stream and waits for its first status.</summary>
    private async Task<AsyncServerStreamingCall<TMessage>> OpenAsync<TMessage>(
        Func<CallOptions, AsyncServerStreamingCall<TMessage>> open, ResiliencePipeline opening, CancellationToken cancellationToken)
    {
        try
        {
            return await opening.ExecuteAsync(
                async token =>
                {
                    calls.RequireOpen();

                    // With the caller's token: the stream outlives the time limit on opening it.
                    AsyncServerStreamingCall<TMessage> stream = open(new CallOptions(cancellationToken: cancellationToken));
                    try
                    {
                        if (await stream.ResponseStream.MoveNext(token).ConfigureAwait(false))
                        {
                            failures.NoteAnswer();
                            return stream;
                        }

                        throw new RpcException(new Status(StatusCode.Unavailable, "The agent ended the stream before a first status."));
                    }
                    catch
                    {
                        stream.Dispose();
                        throw;
                    }
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            throw calls.Explain(e, cancellationToken);
        }
        catch (TimeoutRejectedException e)
        {
            throw failures.Lost(e);
        }
        catch (ObjectDisposedException e)
        {
            throw AgentCalls.Closed(e);
        }
    }

    /// <summary>Waits for the next status; false where the stream is over, so that another one has to be opened.</summary>
    private async Task<bool> HasNextAsync<TMessage>(AsyncServerStreamingCall<TMessage> stream, CancellationToken cancellationToken)
    {
        try
        {
            return await stream.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false);
        }
        catch (RpcException e) when (AgentFailures.IsConnectionLost(e) && !cancellationToken.IsCancellationRequested)
        {
            calls.RequireOpen();
            return false;
        }
        catch (RpcException e)
        {
            throw calls.Explain(e, cancellationToken);
        }
    }
}
