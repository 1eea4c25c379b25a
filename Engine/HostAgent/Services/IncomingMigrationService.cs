using Grpc.Core;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote.Messages;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Contract = VmMigration.Engine.Hosts.Remote.Contract;

namespace VmMigration.HostAgent.Services;

/// <summary>Serves the host as the destination of migrations.</summary>
internal sealed class IncomingMigrationService(IMigrationHost host) : Contract.IncomingMigrations.IncomingMigrationsBase
{
    public override async Task<Contract.CheckIncomingResponse> Check(Contract.IncomingRequest request, ServerCallContext context)
    {
        IReadOnlyList<PreflightFinding> findings =
            await host.CheckIncomingAsync(request.ToRecord(), context.CancellationToken).ConfigureAwait(false);
        var response = new Contract.CheckIncomingResponse();
        response.Findings.Add(findings.Select(finding => finding.ToMessage()));
        return response;
    }

    public override async Task<Contract.IncomingOffer> Prepare(Contract.IncomingRequest request, ServerCallContext context) =>
        (await host.PrepareIncomingAsync(request.ToRecord(), context.CancellationToken).ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.WithdrawIncomingResponse> Withdraw(
        Contract.WithdrawIncomingRequest request, ServerCallContext context)
    {
        await host.WithdrawIncomingAsync(
            MessageFields.ToGuid(request.MigrationId, "WithdrawIncomingRequest.migration_id"), context.CancellationToken)
            .ConfigureAwait(false);
        return new();
    }

    public override async Task<Contract.GetIncomingOutcomeResponse> GetOutcome(
        Contract.GetIncomingOutcomeRequest request, ServerCallContext context)
    {
        MigrationOutcome outcome = await host.GetIncomingOutcomeAsync(
            MessageFields.ToGuid(request.MigrationId, "GetIncomingOutcomeRequest.migration_id"), context.CancellationToken)
            .ConfigureAwait(false);
        return new() { Outcome = MessageFields.ToMessage<Contract.MigrationOutcome>(outcome) };
    }
}
