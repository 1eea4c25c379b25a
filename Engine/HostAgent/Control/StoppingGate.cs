using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace VmMigration.HostAgent.Control;

/// <summary>
/// Stands before the services: refuses calls once the agent stops, and in the end cuts off those that do not end by themselves, such as
/// somebody who follows a migration.
/// </summary>
internal sealed class StoppingGate(string hostName) : IDisposable
{
    private readonly CancellationTokenSource cut = new();
    private volatile bool closed;

    /// <summary>From now on new calls are answered with <see cref="StatusCode.Unavailable"/>.</summary>
    public void Close() => closed = true;

    /// <summary>Ends the calls that are still there after a time.</summary>
    public void CutAfter(TimeSpan time) => cut.CancelAfter(time);

    public async Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        if (closed)
        {
            // gRPC's form of an answer without a message: the status in the headers ("Trailers-Only").
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = ((int)StatusCode.Unavailable).ToString(System.Globalization.CultureInfo.InvariantCulture);
            context.Response.Headers["grpc-message"] = Uri.EscapeDataString($"The agent of host '{hostName}' is stopping.");
            return;
        }

        using CancellationTokenRegistration registration = cut.Token.Register(context.Abort);
        await next(context).ConfigureAwait(false);
    }

    public void Dispose() => cut.Dispose();
}
