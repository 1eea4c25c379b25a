using Grpc.Health.V1;
using Grpc.HealthCheck;
using Microsoft.Extensions.Hosting;
using VmMigration.Engine.Hosts.Remote.Contract;

namespace VmMigration.HostAgent.Services;

/// <summary>Says SERVING for the agent and each of its services, and NOT_SERVING from the moment the agent is told to stop.</summary>
internal sealed class ServiceHealth : IHostedService, IDisposable
{
    private static readonly string[] services =
        ["", .. HostAgentReflection.Descriptor.Services.Select(service => service.FullName)];

    private readonly HealthServiceImpl health;
    private readonly CancellationTokenRegistration stopping;

    public ServiceHealth(HealthServiceImpl health, IHostApplicationLifetime lifetime)
    {
        this.health = health;
        stopping = lifetime.ApplicationStopping.Register(() => Set(HealthCheckResponse.Types.ServingStatus.NotServing));
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        Set(HealthCheckResponse.Types.ServingStatus.Serving);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => stopping.Dispose();

    private void Set(HealthCheckResponse.Types.ServingStatus status)
    {
        foreach (string service in services) health.SetStatus(service, status);
    }
}
