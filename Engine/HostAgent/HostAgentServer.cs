using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Serilog;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.HostAgent.Control;
using VmMigration.HostAgent.Metrics;

namespace VmMigration.HostAgent;

/// <summary>
/// The agent of one machine: opens a host on its state directory and serves it to other machines until it is asked to stop (SIGTERM,
/// SIGINT, or <see cref="RequestStop"/>). VMs in processes of their own run on while no agent is there, and the next one finds them again.
/// </summary>
public sealed class HostAgentServer : IAsyncDisposable
{
    // What comes after the host has closed: listeners, connections.
    private static readonly TimeSpan closingMargin = TimeSpan.FromSeconds(10);

    private readonly WebApplication application;
    private readonly HostClosing closing;
    private readonly MetricsServer? metrics;

    private HostAgentServer(
        WebApplication application, HostClosing closing, MetricsServer? metrics, IReadOnlyList<Uri> endpoints, string migrationEndpoint)
    {
        MigrationEndpoint = migrationEndpoint;
        this.application = application;
        this.closing = closing;
        this.metrics = metrics;
        Endpoints = endpoints;
    }

    /// <summary>
    /// Where the host can be controlled: <c>https://ADDRESS:PORT</c> with the ports that were taken, and <c>unix:///PATH</c>.
    /// </summary>
    public IReadOnlyList<Uri> Endpoints { get; }

    /// <summary>Address and port that VMs arrive on.</summary>
    public string MigrationEndpoint { get; }

    /// <summary>Where the metrics are; null where they are off.</summary>
    public Uri? MetricsEndpoint => metrics?.Endpoint;

    /// <summary>Opens the host, finds its VMs again and begins to listen.</summary>
    /// <param name="options">How the agent is set up.</param>
    /// <param name="console">Where events are shown besides the log file; null for nowhere.</param>
    /// <param name="cancellationToken">Cancels the start; nothing is left open then.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for options or files that cannot be used, or an address that cannot be listened on;
    /// <see cref="MigrationErrorReason.InvalidState"/> where another agent has the state directory or the socket; and what
    /// <see cref="LocalHost.OpenAsync"/> throws.
    /// </exception>
    public static async Task<HostAgentServer> StartAsync(HostAgentOptions options, TextWriter? console, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        LocalHost host = await LocalHost.OpenAsync(options.Host with
        {
            LogLevel = options.FileLogLevel,
            LogSink = console is null ? null : new ConsoleLog(console, options.ConsoleLogLevel, ConsoleLog.HasJournal),
        }, cancellationToken).ConfigureAwait(false);
        WebApplication? application = null;
        MetricsServer? metrics = null;
        try
        {
            var gate = new StoppingGate(host.Name);
            var closing = new HostClosing(host, gate, options.StopLimit, host.Logger);
            application = Build(options, host, gate, closing);
            if (options.Metrics is { } wanted) metrics = await MetricsServer.StartAsync(wanted, host.Logger, cancellationToken).ConfigureAwait(false);
            await application.StartAsync(cancellationToken).ConfigureAwait(false);
            IReadOnlyList<Uri> endpoints = ReadEndpoints(application);
            host.Logger.Information("The agent of host {Host} listens on {Endpoints}", host.Name, string.Join(", ", endpoints));
            return new(application, closing, metrics, endpoints, host.MigrationEndpoint);
        }
        catch (Exception e)
        {
            if (metrics is not null) await metrics.DisposeAsync().ConfigureAwait(false);
            if (application is not null) await application.DisposeAsync().ConfigureAwait(false);
            await host.DisposeAsync().ConfigureAwait(false);
            if (e is not (IOException or SocketException)) throw;
            throw new MigrationException(MigrationErrorReason.InvalidArgument, $"The agent cannot listen: {e.Message}",
                "Name an address of this machine and a port that is free.", e);
        }
    }

    /// <summary>Waits until the agent has stopped.</summary>
    /// <returns>False where something had not ended within <see cref="HostAgentOptions.StopLimit"/>, or failed to close.</returns>
    public async Task<bool> WaitAsync()
    {
        await application.WaitForShutdownAsync().ConfigureAwait(false);
        return closing.IsClean;
    }

    /// <summary>Asks the agent to stop; see <see cref="WaitAsync"/>.</summary>
    public void RequestStop() => application.Lifetime.StopApplication();

    /// <summary>Stops the agent if it has not stopped, and closes what it holds.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!application.Lifetime.ApplicationStopped.IsCancellationRequested) await application.StopAsync().ConfigureAwait(false);
        await application.DisposeAsync().ConfigureAwait(false);
        if (metrics is not null) await metrics.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>From nothing: no setting of the surroundings, such as ASPNETCORE_URLS or appsettings.json, may open another door.</summary>
    private static WebApplication Build(HostAgentOptions options, LocalHost host, StoppingGate gate, HostClosing closing)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new());
        builder.Services.AddSerilog(new LoggerConfiguration()
            .MinimumLevel.Verbose()
            .MinimumLevel.Override("Microsoft", Serilog.Events.LogEventLevel.Warning)
            .MinimumLevel.Override("Grpc", Serilog.Events.LogEventLevel.Warning)
            .WriteTo.Logger(host.Logger).CreateLogger(), dispose: true);
        builder.Services.AddSystemd();
        builder.Services.Configure<HostOptions>(settings => settings.ShutdownTimeout = options.StopLimit + closingMargin);
        builder.Services.AddRouting();
        builder.Services.AddSingleton(gate);
        builder.Services.AddSingleton<IHostedService>(closing);
        HostAgentServices.Add(builder.Services, host);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => Listen(kestrel, options.Control, host.Logger));
        builder.WebHost.UseSockets(sockets => sockets.CreateBoundListenSocket = endpoint => endpoint is UnixDomainSocketEndPoint
            ? UnixListenSocket.Bind(options.Control.UnixSocket!) : SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint));
        WebApplication application = builder.Build();
        application.Use((context, next) => gate.HandleAsync(context, next));
        HostAgentServices.Map(application);
        return application;
    }

    private static void Listen(KestrelServerOptions kestrel, ControlOptions control, ILogger log)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxConcurrentConnections = control.MaxConnections;
        if (control.Certificates is { } files)
        {
            var access = new TlsAccess(AgentCertificates.Open(files, TimeProvider.System, log), control.Clients, log);
            foreach (Uri uri in control.Listen) kestrel.Listen(IPAddress.Parse(uri.DnsSafeHost), uri.Port, access.Guard);
        }

        if (control.UnixSocket is { } socket)
        {
            kestrel.ListenUnixSocket(socket.Path, listener => listener.Protocols = HttpProtocols.Http2);
        }
    }

    private static List<Uri> ReadEndpoints(WebApplication application)
    {
        // Kestrel writes a socket as http://unix:/PATH.
        const string UnixPrefix = "http://unix:";
        return
        [
            .. application.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses
                .Select(address => address.StartsWith(UnixPrefix, StringComparison.Ordinal)
                    ? new Uri("unix://" + address[UnixPrefix.Length..]) : new Uri(address)),
        ];
    }
}
