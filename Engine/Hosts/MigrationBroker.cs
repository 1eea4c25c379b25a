using VmMigration.Engine.Disks;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// Brings a source and a destination host together: the hosts never need a handle to each other, only the offer that one makes
/// and the other takes up.
/// </summary>
public static class MigrationBroker
{
    /// <summary>Checks whether and how the VM can move over the hosts' ordinary network, and changes nothing.</summary>
    public static Task<PreflightReport> CheckAsync(
        IMigrationHost source, Guid vmId, IMigrationHost destination, MigrationOptions options, CancellationToken cancellationToken) =>
        CheckAsync(source, vmId, destination, options, MobilityPathChoice.Direct, cancellationToken);

    /// <summary>The same over a mobility path, whose missing prerequisites are findings, too.</summary>
    public static async Task<PreflightReport> CheckAsync(
        IMigrationHost source, Guid vmId, IMigrationHost destination, MigrationOptions options, MobilityPathChoice path,
        CancellationToken cancellationToken)
    {
        VmDescription vm = await source.GetVmAsync(vmId, cancellationToken).ConfigureAwait(false);
        List<PreflightFinding> findings = [];
        if (ReferenceEquals(source, destination) || source.Name == destination.Name)
        {
            findings.Add(new(PreflightSeverity.Error, "DifferentHosts", $"'{vm.Specification.Name}' is on {source.Name} already.",
                "Name another destination host."));
        }

        if (vm.State is not (VmState.Running or VmState.Paused))
        {
            findings.Add(new(PreflightSeverity.Error, "VmState", $"'{vm.Specification.Name}' is {vm.State}.",
                "Start the VM first: only a VM that has memory can be migrated live."));
        }

        if (vm.MigrationId is { } migrationId)
        {
            findings.Add(new(PreflightSeverity.Error, "AlreadyMigrating", $"Migration {migrationId} is moving '{vm.Specification.Name}'.",
                "Wait for that migration or stop it."));
        }

        StateContents contents = ChooseContents(vm, options, findings);
        int poisoned = await PoisonPreflight.CheckAsync(source, vm, contents, findings, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<VmDisk> disks = await DiskPreflight.CheckAsync(source, vm, contents, options, findings, cancellationToken).ConfigureAwait(false);
        await LinkPreflight.CheckAsync(source, destination, path, findings, cancellationToken).ConfigureAwait(false);
        findings.AddRange(await ChosenPath.CheckAsync(path, source, destination, cancellationToken).ConfigureAwait(false));
        if (findings.All(finding => finding.Severity != PreflightSeverity.Error))
        {
            var incoming = new IncomingRequest(Guid.NewGuid(), vm.Specification, contents, options, source.Name)
            {
                PoisonedPageCount = poisoned,
                Disks = disks,
            };
            findings.AddRange(await destination.CheckIncomingAsync(incoming, cancellationToken).ConfigureAwait(false));
        }

        return new(vmId, vm.Specification.Name, source.Name, destination.Name, contents, findings);
    }

    /// <summary>Checks, prepares the destination and starts the migration at the source, which drives it from then on.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.PreflightFailed"/> where the check found an error.</exception>
    public static Task<MigrationStatus> StartAsync(
        IMigrationHost source, Guid vmId, IMigrationHost destination, MigrationOptions options, CancellationToken cancellationToken) =>
        StartAsync(source, vmId, destination, options, MobilityPathChoice.Direct, cancellationToken);

    /// <summary>
    /// The same over a mobility path. It goes with the migration, on every host and whatever the outcome, also where it was there before.
    /// </summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.PreflightFailed"/> where the check found an error, and whatever keeps a host from making its end of
    /// the path. Nothing is left of a path that was made for a migration that does not begin.
    /// </exception>
    public static async Task<MigrationStatus> StartAsync(
        IMigrationHost source, Guid vmId, IMigrationHost destination, MigrationOptions options, MobilityPathChoice path,
        CancellationToken cancellationToken)
    {
        PreflightReport report = await CheckAsync(source, vmId, destination, options, path, cancellationToken).ConfigureAwait(false);
        if (report.Findings.FirstOrDefault(finding => finding.Severity == PreflightSeverity.Error) is { } error)
        {
            throw new MigrationException(MigrationErrorReason.PreflightFailed, error.Message, error.RecommendedAction);
        }

        VmDescription vm = await source.GetVmAsync(vmId, cancellationToken).ConfigureAwait(false);
        int poisoned = (await source.ListPoisonedPagesAsync(vmId, cancellationToken).ConfigureAwait(false)).Count;
        ChosenPath chosen = await ChosenPath.TakeAsync(path, source, destination, cancellationToken).ConfigureAwait(false);
        var incoming = new IncomingRequest(Guid.NewGuid(), vm.Specification, report.Contents, options, source.Name)
        {
            PoisonedPageCount = poisoned,
            PathId = chosen.PathId,
        };
        try
        {
            return await StartAsync(source, destination, incoming, chosen, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            await chosen.RollBackAsync(failure).ConfigureAwait(false);
            throw;
        }
    }

    private static async Task<MigrationStatus> StartAsync(
        IMigrationHost source, IMigrationHost destination, IncomingRequest incoming, ChosenPath path, CancellationToken cancellationToken)
    {
        IncomingOffer offer = await destination.PrepareIncomingAsync(incoming, cancellationToken).ConfigureAwait(false);
        try
        {
            var request = new MigrationRequest(incoming.Specification.Id, offer, incoming.Contents, incoming.Options)
            {
                PathSetup = path.SetupTime,
            };
            return await source.StartMigrationAsync(request, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await WithdrawAsync(destination, offer.MigrationId).ConfigureAwait(false);
            throw;
        }
    }

    private static async Task WithdrawAsync(IMigrationHost destination, Guid migrationId)
    {
        try
        {
            await destination.WithdrawIncomingAsync(migrationId, CancellationToken.None).ConfigureAwait(false);
        }
        catch (MigrationException)
        {
            // The offer expires by itself; withdrawing it would only have freed the memory now. What the caller needs to hear is why the
            // source did not start.
        }
    }

    /// <summary>
    /// Goes on with a migration in <see cref="MigrationState.PostcopyPaused"/>, or ends one in <see cref="MigrationState.Undecided"/> by what its
    /// destination says over the control plane, where the source itself may not reach it any more.
    /// </summary>
    /// <param name="source">The host the VM left.</param>
    /// <param name="destination">The host it went to.</param>
    /// <param name="migrationId">The migration.</param>
    /// <param name="force">As in <see cref="IMigrationHost.ResumeMigrationAsync"/>: only where the destination's word decides nothing.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async Task<MigrationStatus> ResumeAsync(
        IMigrationHost source, IMigrationHost destination, Guid migrationId, bool force, CancellationToken cancellationToken)
    {
        MigrationStatus status = await source.GetMigrationAsync(migrationId, cancellationToken).ConfigureAwait(false);

        // Where memory did not arrive as it left, the destination's word is no reason to drop the copy.
        if (status is { State: MigrationState.Undecided, ErrorReason: not MigrationErrorReason.MemoryMismatch })
        {
            MigrationOutcome outcome = await destination.GetIncomingOutcomeAsync(migrationId, cancellationToken).ConfigureAwait(false);
            if (outcome is MigrationOutcome.DestinationOwns or MigrationOutcome.SourceOwns)
            {
                return await source.SettleMigrationAsync(migrationId, outcome, cancellationToken).ConfigureAwait(false);
            }
        }

        return await source.ResumeMigrationAsync(migrationId, force, cancellationToken).ConfigureAwait(false);
    }

    private static StateContents ChooseContents(VmDescription vm, MigrationOptions options, List<PreflightFinding> findings)
    {
        if (options.ForceHypervisorMigration) return StateContents.DevicesAndMemory;
        if (vm.Capabilities?.EngineMigrationRefused is not { } reason) return StateContents.Devices;
        findings.Add(new(PreflightSeverity.Warning, "EngineMigration", $"The hypervisor's own migration will be used: {reason}",
            "Mend the reason to have the engine move the memory itself."));
        return StateContents.DevicesAndMemory;
    }
}
