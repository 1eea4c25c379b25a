using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.HostAgent;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts.Remote;

/// <summary>
/// The gRPC services of an agent over any host, on a unix socket. Its connections can be cut and the socket opened again, as by an agent
/// that was killed and started again, while the host behind it stays.
/// </summary>
internal sealed class ServedHost : IAsyncDisposable
{
    private readonly IMigrationHost host;
    private readonly string socketPath;
    private readonly Action<ListenOptions>? secure;
    private WebApplication? application;

    private ServedHost(IMigrationHost host, string socketPath, Action<ListenOptions>? secure)
    {
        this.host = host;
        this.socketPath = socketPath;
        this.secure = secure;
    }

    /// <summary>What the services logged.</summary>
    public LogLines Log { get; } = new();

    public RemoteHostOptions Options => new() { Uri = new Uri("unix://" + socketPath), ReconnectTimeLimit = TimeSpan.FromSeconds(30) };

    /// <summary>Where it listens with <c>secure</c>.</summary>
    public int Port => new Uri(application!.Urls.Single(url => url.StartsWith("https:", StringComparison.Ordinal))).Port;

    /// <param name="host">The host; goes with this object.</param>
    /// <param name="directory">Where the socket is.</param>
    /// <param name="secure">Puts TLS in front of a port on loopback, which is then opened, too.</param>
    public static async Task<ServedHost> StartAsync(IMigrationHost host, ScratchDirectory directory, Action<ListenOptions>? secure = null)
    {
        var served = new ServedHost(host, directory.File($"{Guid.NewGuid():N}.sock"), secure);
        await served.ListenAsync();
        return served;
    }

    public async Task ListenAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new());
        builder.Services.AddLogging(logging => logging.AddProvider(Log).SetMinimumLevel(LogLevel.Information));
        builder.Services.AddRouting();
        HostAgentServices.Add(builder.Services, host);

        // Connections that are open when it stops are cut at once.
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.Zero);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.ListenUnixSocket(socketPath, listener => listener.Protocols = HttpProtocols.Http2);
            if (secure is not null) kestrel.Listen(IPAddress.Loopback, 0, secure);
        });
        application = builder.Build();
        HostAgentServices.Map(application);
        await application.StartAsync(TestContext.Current.CancellationToken);
    }

    public Task<RemoteHost> ConnectAsync() => RemoteHost.ConnectAsync(Options, TestContext.Current.CancellationToken);

    /// <summary>Cuts all connections and closes the socket.</summary>
    public async Task CutAsync()
    {
        if (Interlocked.Exchange(ref application, null) is not { } running) return;
        try
        {
            await running.StopAsync(TestContext.Current.CancellationToken);
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            // No time was allowed, and calls were under way: they are cut now.
        }

        await running.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await CutAsync();
        await host.DisposeAsync();
    }
}
