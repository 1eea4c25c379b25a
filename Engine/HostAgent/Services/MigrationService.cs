using Grpc.Core;
using Microsoft.Extensions.Hosting;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote.Messages;
using VmMigration.Engine.Migration;
using Contract = VmMigration.Engine.Hosts.Remote.Contract;

namespace VmMigration.HostAgent.Services;

/// <summary>Serves the host as the source of migrations.</summary>
internal sealed class MigrationService(IMigrationHost host, IHostApplicationLifetime lifetime) : Contract.Migrations.MigrationsBase
{
    public override async Task<Contract.MigrationStatus> Start(Contract.MigrationRequest request, ServerCallContext context) =>
        (await host.StartMigrationAsync(request.ToRecord(), context.CancellationToken).ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.ListMigrationsResponse> List(Contract.ListMigrationsRequest request, ServerCallContext context)
    {
        IReadOnlyList<MigrationStatus> migrations = await host.ListMigrationsAsync(context.CancellationToken).ConfigureAwait(false);
        var response = new Contract.ListMigrationsResponse();
        response.Migrations.Add(migrations.Select(migration => migration.ToMessage()));
        return response;
    }

    public override async Task<Contract.MigrationStatus> Get(Contract.GetMigrationRequest request, ServerCallContext context) =>
        (await host.GetMigrationAsync(
            MessageFields.ToGuid(request.MigrationId, "GetMigrationRequest.migration_id"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task Watch(
        Contract.WatchMigrationRequest request, IServerStreamWriter<Contract.MigrationStatus> responseStream, ServerCallContext context)
    {
        Guid migrationId = MessageFields.ToGuid(request.MigrationId, "WatchMigrationRequest.migration_id");

        // A watch may last for hours: an agent that stops does not wait for it.
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        try
        {
            await foreach (MigrationStatus status in host.WatchMigrationAsync(migrationId, ending.Token).ConfigureAwait(false))
            {
                await responseStream.WriteAsync(status.ToMessage(), ending.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.Unavailable, "The agent stops."));
        }
    }

    public override async Task<Contract.MigrationStatus> Resume(Contract.ResumeMigrationRequest request, ServerCallContext context) =>
        (await host.ResumeMigrationAsync(
            MessageFields.ToGuid(request.MigrationId, "ResumeMigrationRequest.migration_id"), request.Force, context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.MigrationStatus> Cancel(Contract.CancelMigrationRequest request, ServerCallContext context) =>
        (await host.CancelMigrationAsync(
            MessageFields.ToGuid(request.MigrationId, "CancelMigrationRequest.migration_id"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();
}
