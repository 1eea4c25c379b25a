using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Metrics;
using Serilog;
using VmMigration.Engine;
using VmMigration.Engine.Migration;

namespace VmMigration.HostAgent.Metrics;

/// <summary>
/// Serves metrics in the format of Prometheus, on a server of its own: nothing that controls the host can be reached through it.
/// </summary>
internal sealed class MetricsServer : IAsyncDisposable
{
    private const string Path = "/metrics";
    private const long MaxConnections = 16;

    private readonly WebApplication application;

    private MetricsServer(WebApplication application, Uri endpoint)
    {
        this.application = application;
        Endpoint = endpoint;
    }

    /// <summary>Where the metrics are, with the port that was taken.</summary>
    public Uri Endpoint { get; }

    /// <summary>Begins to listen.</summary>
    public static async Task<MetricsServer> StartAsync(MetricsOptions options, ILogger log, CancellationToken cancellationToken)
    {
        MigrationMetrics.Publish();
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new());
        builder.Services.AddSerilog(log);
        builder.Services.AddRouting();
        builder.Services.AddSingleton<Microsoft.Extensions.Hosting.IHostLifetime, NoLifetime>();
        builder.Services.AddOpenTelemetry().WithMetrics(
            metrics => metrics.AddMeter(MigrationTelemetry.Name, "System.Runtime").AddPrometheusExporter());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = MaxConnections;
            kestrel.Listen(
                IPAddress.Parse(options.Listen.DnsSafeHost), options.Listen.Port, listener => listener.Protocols = HttpProtocols.Http1);
        });
        WebApplication application = builder.Build();
        try
        {
            application.MapPrometheusScrapingEndpoint(Path);
            await application.StartAsync(cancellationToken).ConfigureAwait(false);
            string address = application.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>()
                .Addresses.First();
            return new(application, new Uri(new Uri(address), Path));
        }
        catch
        {
            await application.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await application.StopAsync().ConfigureAwait(false);
        await application.DisposeAsync().ConfigureAwait(false);
    }
}
