using VmMigration.Engine.Disks;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// A machine that runs VMs and moves them. Only serializable records cross this contract, so that the same calls can cross a network.
/// Every call fails with <see cref="MigrationException"/>, or with <see cref="OperationCanceledException"/> where the caller cancelled.
/// </summary>
public interface IMigrationHost : IAsyncDisposable
{
    /// <summary>Name of the host.</summary>
    string Name { get; }

    /// <summary>The host's disks.</summary>
    IHostDisks Disks { get; }

    /// <summary>Reports what the host is and can do.</summary>
    Task<HostDescription> DescribeAsync(CancellationToken cancellationToken);

    /// <summary>Defines a VM; it is stopped.</summary>
    Task<VmDescription> CreateVmAsync(Hypervisors.VmSpecification specification, CancellationToken cancellationToken);

    /// <summary>Adopts a VM that something else started.</summary>
    Task<VmDescription> RegisterVmAsync(VmRegistration registration, CancellationToken cancellationToken);

    /// <summary>Lists the VMs of the host, incoming ones included.</summary>
    Task<IReadOnlyList<VmDescription>> ListVmsAsync(CancellationToken cancellationToken);

    /// <summary>Describes one VM.</summary>
    Task<VmDescription> GetVmAsync(Guid vmId, CancellationToken cancellationToken);

    /// <summary>
    /// Describes the disks of a running or paused VM for a migration that takes them with it; empty where it has none. Changes nothing.
    /// </summary>
    Task<IReadOnlyList<VmDisk>> ListVmDisksAsync(Guid vmId, CancellationToken cancellationToken);

    /// <summary>Boots a stopped VM.</summary>
    Task<VmDescription> StartVmAsync(Guid vmId, CancellationToken cancellationToken);

    /// <summary>Shuts a VM down through its guest, or ends it at once with <paramref name="force"/>. It stays defined.</summary>
    Task<VmDescription> StopVmAsync(Guid vmId, bool force, CancellationToken cancellationToken);

    /// <summary>Pauses a running VM.</summary>
    Task<VmDescription> PauseVmAsync(Guid vmId, CancellationToken cancellationToken);

    /// <summary>Resumes a paused VM.</summary>
    Task<VmDescription> ResumeVmAsync(Guid vmId, CancellationToken cancellationToken);

    /// <summary>Removes the definition of a stopped VM.</summary>
    Task RemoveVmAsync(Guid vmId, CancellationToken cancellationToken);

    /// <summary>Looks for poisoned pages of a VM that has memory, and lists all that are known.</summary>
    Task<IReadOnlyList<PoisonedPage>> ListPoisonedPagesAsync(Guid vmId, CancellationToken cancellationToken);

    /// <summary>
    /// Poisons pages of a VM that has memory, to try what happens; a running VM is paused for it and runs on. Lists the pages that are new.
    /// A VM that is being migrated is no exception while its memory is copied; during its switchover the call waits some seconds for the
    /// end of that.
    /// </summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for an address without RAM, and no page is poisoned then;
    /// <see cref="MigrationErrorReason.PrerequisiteMissing"/> where <see cref="Hypervisors.VmCapabilities.PoisonRefused"/> names a reason;
    /// <see cref="MigrationErrorReason.InvalidState"/> where it has no memory, is arriving, or does not get through its switchover.
    /// </exception>
    /// <param name="vmId">The VM.</param>
    /// <param name="guestPhysicalAddresses">Addresses in RAM as the guest sees them; each means the page of 4096 bytes it lies in.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    Task<IReadOnlyList<PoisonedPage>> AddPoisonedPagesAsync(
        Guid vmId, IReadOnlyList<long> guestPhysicalAddresses, CancellationToken cancellationToken);

    /// <summary>Reads how much of a VM's memory is mapped by large pages; null where nobody can say.</summary>
    Task<LargePageCoverage?> ReadLargePagesAsync(Guid vmId, CancellationToken cancellationToken);

    /// <summary>As a destination: reports what would keep the VM from arriving here. Changes nothing.</summary>
    Task<IReadOnlyList<PreflightFinding>> CheckIncomingAsync(IncomingRequest request, CancellationToken cancellationToken);

    /// <summary>As a destination: makes the incoming VM and waits a limited time for the source to connect.</summary>
    Task<IncomingOffer> PrepareIncomingAsync(IncomingRequest request, CancellationToken cancellationToken);

    /// <summary>As a destination: withdraws an offer no source has taken up, and removes the incoming VM.</summary>
    Task WithdrawIncomingAsync(Guid migrationId, CancellationToken cancellationToken);

    /// <summary>As a source: starts a migration and returns at once; it goes on whatever becomes of the caller.</summary>
    Task<MigrationStatus> StartMigrationAsync(MigrationRequest request, CancellationToken cancellationToken);

    /// <summary>Lists the migrations this host is or was the source of.</summary>
    Task<IReadOnlyList<MigrationStatus>> ListMigrationsAsync(CancellationToken cancellationToken);

    /// <summary>Reports where a migration stands.</summary>
    Task<MigrationStatus> GetMigrationAsync(Guid migrationId, CancellationToken cancellationToken);

    /// <summary>
    /// Follows a migration: the present status at once, then one at every change of state and a few a second in between; ends after the
    /// status that has ended.
    /// </summary>
    IAsyncEnumerable<MigrationStatus> WatchMigrationAsync(Guid migrationId, CancellationToken cancellationToken);

    /// <summary>
    /// As a source: goes on with a migration in <see cref="MigrationState.PostcopyPaused"/>, and the call ends once pages flow again; asks the
    /// destination again how one in <see cref="MigrationState.Undecided"/> ended, and acts on the answer.
    /// </summary>
    /// <param name="migrationId">The migration.</param>
    /// <param name="force">
    /// Take an undecided VM back where the destination does not answer. Where it does run there, it then runs twice, and what both write to
    /// shared disks destroys them.
    /// </param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.Undecided"/> where nobody can say and <paramref name="force"/> was not given.
    /// </exception>
    Task<MigrationStatus> ResumeMigrationAsync(Guid migrationId, bool force, CancellationToken cancellationToken);

    /// <summary>As a destination: says from its journal how a migration that was to arrive here ended, however long ago.</summary>
    /// <returns>
    /// <see cref="MigrationOutcome.DestinationOwns"/> and <see cref="MigrationOutcome.SourceOwns"/> are for good; every other may change.
    /// </returns>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.MigrationNotFound"/> where this host knows of none, which says nothing about who owns the VM.
    /// </exception>
    Task<MigrationOutcome> GetIncomingOutcomeAsync(Guid migrationId, CancellationToken cancellationToken);

    /// <summary>
    /// As a source: ends a migration in <see cref="MigrationState.Undecided"/> by what its destination said to the caller, for hosts that
    /// no longer reach each other. Either the copy here is removed, or the VM is taken back and runs again if it ran before.
    /// </summary>
    /// <param name="migrationId">The migration. One that has ended already stays as it is.</param>
    /// <param name="outcome">
    /// What <see cref="GetIncomingOutcomeAsync"/> of the destination returned: <see cref="MigrationOutcome.DestinationOwns"/> or
    /// <see cref="MigrationOutcome.SourceOwns"/>.
    /// </param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for any other outcome; <see cref="MigrationErrorReason.InvalidState"/> while the
    /// migration is under way.
    /// </exception>
    Task<MigrationStatus> SettleMigrationAsync(Guid migrationId, MigrationOutcome outcome, CancellationToken cancellationToken);

    /// <summary>As a source: cancels a migration before its commit and waits until it has ended, whichever way.</summary>
    Task<MigrationStatus> CancelMigrationAsync(Guid migrationId, CancellationToken cancellationToken);

    /// <summary>
    /// Makes this host's end of a mobility path. It is journaled before it is made, and removed at the end of the operation that uses it, by
    /// <see cref="RemovePathAsync"/>, when the host is closed, or, after a crash, when it is opened again.
    /// </summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.PrerequisiteMissing"/> where <see cref="HostDescription.Paths"/> names a reason. Nothing is left of an
    /// end that could not be made.
    /// </exception>
    Task<MobilityPathEnd> PreparePathAsync(MobilityPathRequest request, CancellationToken cancellationToken);

    /// <summary>The ends of mobility paths this host has now.</summary>
    Task<IReadOnlyList<MobilityPathEnd>> ListPathsAsync(CancellationToken cancellationToken);

    /// <summary>
    /// As a path's source: reaches for the destination's end over the path and measures the round trip; null where nothing answers.
    /// </summary>
    Task<TimeSpan?> ProbePathAsync(Guid pathId, CancellationToken cancellationToken);

    /// <summary>Removes this host's end of a path; does nothing where there is none.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> while an operation uses it.</exception>
    Task RemovePathAsync(Guid pathId, CancellationToken cancellationToken);
}
