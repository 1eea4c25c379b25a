using VmMigration.Engine.Hosts.Remote.Messages;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts.Remote;

// As a destination and as a source.
public sealed partial class RemoteHost
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<PreflightFinding>> CheckIncomingAsync(IncomingRequest request, CancellationToken cancellationToken)
    {
        Contract.IncomingRequest message = request.ToMessage();
        Contract.CheckIncomingResponse response = await calls.ReadAsync(
            options => incoming.CheckAsync(message, options), cancellationToken).ConfigureAwait(false);
        return [.. response.Findings.Select(finding => finding.ToRecord())];
    }

    /// <inheritdoc/>
    public async Task<IncomingOffer> PrepareIncomingAsync(IncomingRequest request, CancellationToken cancellationToken)
    {
        Contract.IncomingRequest message = request.ToMessage();
        return (await calls.WriteAsync(
            options => incoming.PrepareAsync(message, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public Task WithdrawIncomingAsync(Guid migrationId, CancellationToken cancellationToken)
    {
        var request = new Contract.WithdrawIncomingRequest { MigrationId = migrationId.ToString() };
        return calls.RepeatAsync(options => incoming.WithdrawAsync(request, options), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<MigrationStatus> StartMigrationAsync(MigrationRequest request, CancellationToken cancellationToken)
    {
        Contract.MigrationRequest message = request.ToMessage();
        return (await calls.WriteAsync(
            options => migrations.StartAsync(message, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<MigrationStatus>> ListMigrationsAsync(CancellationToken cancellationToken)
    {
        Contract.ListMigrationsResponse response = await calls.ReadAsync(
            options => migrations.ListAsync(new(), options), cancellationToken).ConfigureAwait(false);
        return [.. response.Migrations.Select(migration => migration.ToRecord())];
    }

    /// <inheritdoc/>
    public async Task<MigrationStatus> GetMigrationAsync(Guid migrationId, CancellationToken cancellationToken)
    {
        var request = new Contract.GetMigrationRequest { MigrationId = migrationId.ToString() };
        return (await calls.ReadAsync(
            options => migrations.GetAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    /// <remarks>
    /// A connection that breaks meanwhile is made again, for as long as <see cref="RemoteHostOptions.ReconnectTimeLimit"/> says each time.
    /// </remarks>
    public IAsyncEnumerable<MigrationStatus> WatchMigrationAsync(Guid migrationId, CancellationToken cancellationToken) =>
        watch.FollowAsync(
            options => migrations.Watch(new() { MigrationId = migrationId.ToString() }, options),
            message => message.ToRecord(), status => status.HasEnded, cancellationToken);

    /// <inheritdoc/>
    public async Task<MigrationStatus> ResumeMigrationAsync(Guid migrationId, bool force, CancellationToken cancellationToken)
    {
        var request = new Contract.ResumeMigrationRequest { MigrationId = migrationId.ToString(), Force = force };
        return (await calls.WriteAsync(
            options => migrations.ResumeAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<MigrationOutcome> GetIncomingOutcomeAsync(Guid migrationId, CancellationToken cancellationToken)
    {
        var request = new Contract.GetIncomingOutcomeRequest { MigrationId = migrationId.ToString() };
        Contract.GetIncomingOutcomeResponse response = await calls.ReadAsync(
            options => incoming.GetOutcomeAsync(request, options), cancellationToken).ConfigureAwait(false);
        return MessageFields.ToEnum<MigrationOutcome>(response.Outcome, "GetIncomingOutcomeResponse.outcome");
    }

    /// <inheritdoc/>
    public async Task<MigrationStatus> SettleMigrationAsync(
        Guid migrationId, MigrationOutcome outcome, CancellationToken cancellationToken)
    {
        var request = new Contract.SettleMigrationRequest
        {
            MigrationId = migrationId.ToString(),
            Outcome = MessageFields.ToMessage<Contract.MigrationOutcome>(outcome),
        };
        return (await calls.RepeatAsync(
            options => migrations.SettleAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<MigrationStatus> CancelMigrationAsync(Guid migrationId, CancellationToken cancellationToken)
    {
        var request = new Contract.CancelMigrationRequest { MigrationId = migrationId.ToString() };
        return (await calls.WriteAsync(
            options => migrations.CancelAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }
}
