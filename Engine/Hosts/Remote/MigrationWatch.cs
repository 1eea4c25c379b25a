using System.Runtime.CompilerServices;
using Grpc.Core;
using Polly;
using Polly.Retry;
using Polly.Timeout;
using VmMigration.Engine.Hosts.Remote.Messages;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts.Remote;

/// <summary>
/// Follows migrations at an agent until they have ended, over as many streams as that takes: one that breaks is opened again, and begins
/// with the present status.
/// </summary>
/// <param name="client">Where the streams come from.</param>
/// <param name="calls">Calls to the agent.</param>
/// <param name="failures">Explains failures.</param>
/// <param name="reconnectTimeLimit">How long a broken stream is tried to be opened again.</param>
internal sealed class MigrationWatch(
    Contract.Migrations.MigrationsClient client, AgentCalls calls, AgentFailures failures, TimeSpan reconnectTimeLimit)
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

    public async IAsyncEnumerable<MigrationStatus> FollowAsync(
        Guid migrationId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // A stream that never was is an error soon; one that broke is mended for longer.
        ResiliencePipeline opening = AgentCalls.Repeatable;
        while (true)
        {
            using AsyncServerStreamingCall<Contract.MigrationStatus> stream =
                await OpenAsync(migrationId, opening, cancellationToken).ConfigureAwait(false);
            opening = reopening;
            do
            {
                MigrationStatus status = stream.ResponseStream.Current.ToRecord();
                yield return status;
                if (status.HasEnded) yield break;
            }
            while (await HasNextAsync(stream, cancellationToken).ConfigureAwait(false));
        }
    }

    /// <summary>Opens a stream and waits for its first status.</summary>
    private async Task<AsyncServerStreamingCall<Contract.MigrationStatus>> OpenAsync(
        Guid migrationId, ResiliencePipeline opening, CancellationToken cancellationToken)
    {
        var request = new Contract.WatchMigrationRequest { MigrationId = migrationId.ToString() };
        try
        {
            return await opening.ExecuteAsync(
                async token =>
                {
                    calls.RequireOpen();

                    // With the caller's token: the stream outlives the time limit on opening it.
                    AsyncServerStreamingCall<Contract.MigrationStatus> stream = client.Watch(request, cancellationToken: cancellationToken);
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
    private async Task<bool> HasNextAsync(
        AsyncServerStreamingCall<Contract.MigrationStatus> stream, CancellationToken cancellationToken)
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
