using Grpc.Core;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote.Messages;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Contract = VmMigration.Engine.Hosts.Remote.Contract;

namespace VmMigration.HostAgent.Services;

/// <summary>Serves the host as the source of migrations.</summary>
internal sealed class MigrationService(IMigrationHost host) : Contract.Migrations.MigrationsBase
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
        await foreach (MigrationStatus status in host.WatchMigrationAsync(migrationId, context.CancellationToken).ConfigureAwait(false))
        {
            await responseStream.WriteAsync(status.ToMessage(), context.CancellationToken).ConfigureAwait(false);
        }
    }

    public override async Task<Contract.MigrationStatus> Resume(Contract.ResumeMigrationRequest request, ServerCallContext context) =>
        (await host.ResumeMigrationAsync(
            MessageFields.ToGuid(request.MigrationId, "ResumeMigrationRequest.migration_id"), request.Force, context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.MigrationStatus> Settle(Contract.SettleMigrationRequest request, ServerCallContext context) =>
        (await host.SettleMigrationAsync(
            MessageFields.ToGuid(request.MigrationId, "SettleMigrationRequest.migration_id"),
            MessageFields.ToEnum<MigrationOutcome>(request.Outcome, "SettleMigrationRequest.outcome"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.MigrationStatus> Cancel(Contract.CancelMigrationRequest request, ServerCallContext context) =>
        (await host.CancelMigrationAsync(
            MessageFields.ToGuid(request.MigrationId, "CancelMigrationRequest.migration_id"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();
}
