using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Logging;
using VmMigration.Engine;
using VmMigration.Engine.Hosts.Remote;

namespace VmMigration.HostAgent.Services;

/// <summary>
/// Gives failures to the client: those of the host with their reason, any other one only as a number under which the log has it, because
/// stack traces are no client's business.
/// </summary>
internal sealed class FailureInterceptor(ILogger<FailureInterceptor> logger) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            return await continuation(request, context).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not RpcException)
        {
            throw Explain(e, context);
        }
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            await continuation(request, responseStream, context).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not RpcException)
        {
            throw Explain(e, context);
        }
    }

    private RpcException Explain(Exception error, ServerCallContext context)
    {
        switch (error)
        {
            // The client is gone or no longer waits: nobody reads what this says.
            case OperationCanceledException or IOException or InvalidOperationException
                when context.CancellationToken.IsCancellationRequested:
                return new(new Status(StatusCode.Cancelled, "The client cancelled the call."));
            case MigrationException failure:
                if (logger.IsEnabled(LogLevel.Information))
                {
                    logger.LogInformation("{Method} of {Peer} failed ({Reason}): {Message}",
                        context.Method, context.Peer, failure.Reason, failure.Message);
                }

                return FailureTrailer.ToRpc(failure);
            default:
                var number = Guid.NewGuid();
                if (logger.IsEnabled(LogLevel.Error))
                {
                    logger.LogError(error, "{Method} of {Peer} failed unexpectedly, told the client as {FailureNumber}",
                        context.Method, context.Peer, number);
                }

                return FailureTrailer.ToRpc(new(
                    MigrationErrorReason.AgentFailed, $"The agent failed unexpectedly (failure {number}).",
                    $"Look for {number} in the agent's log."));
        }
    }
}
