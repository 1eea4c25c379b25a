using Grpc.HealthCheck;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.HostAgent.Services;

namespace VmMigration.HostAgent;

/// <summary>
/// The gRPC side of an agent: the services of <c>host_agent.proto</c> and <c>grpc.health.v1.Health</c>.
/// </summary>
internal static class HostAgentServices
{
    /// <summary>Registers what <see cref="Map"/> needs, for a host that the caller keeps and disposes.</summary>
    public static void Add(IServiceCollection services, IMigrationHost host)
    {
        services.AddSingleton(host);
        services.AddGrpc(options =>
        {
            options.MaxReceiveMessageSize = AgentChannel.MaxMessageBytes;
            options.MaxSendMessageSize = AgentChannel.MaxMessageBytes;
            options.EnableDetailedErrors = false;
            options.Interceptors.Add<FailureInterceptor>();
        });
        services.AddSingleton<FailureInterceptor>().AddSingleton<HealthServiceImpl>().AddHostedService<ServiceHealth>();
    }

    /// <summary>Serves them.</summary>
    public static void Map(IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGrpcService<HostService>();
        endpoints.MapGrpcService<VmService>();
        endpoints.MapGrpcService<GuestMemoryService>();
        endpoints.MapGrpcService<IncomingMigrationService>();
        endpoints.MapGrpcService<MigrationService>();
        endpoints.MapGrpcService<DiskService>();
        endpoints.MapGrpcService<IncomingDiskService>();
        endpoints.MapGrpcService<DiskTransferService>();
        endpoints.MapGrpcService<MobilityPathService>();
        endpoints.MapGrpcService<HealthServiceImpl>();
    }
}
