using Microsoft.Extensions.Hosting;

namespace VmMigration.HostAgent.Metrics;

/// <summary>For a server inside the agent: signals and the service manager are the agent's business.</summary>
internal sealed class NoLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
