using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using VmMigration.Engine.Hosts;

namespace VmMigration.HostAgent;

/// <summary>The gRPC services of an agent.</summary>
internal static class HostAgentServices
{
    /// <summary>Registers what the services need.</summary>
    public static void Add(IServiceCollection services, IMigrationHost host)
    {
        services.AddSingleton(host);
        services.AddGrpc();
    }

    /// <summary>Maps the services to their addresses.</summary>
    public static void Map(WebApplication application)
    {
    }
}
