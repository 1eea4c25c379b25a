using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors;

/// <summary>
/// One VM that has memory: running, paused or incoming. Disposal detaches the engine and leaves the VM as it is, except where the VM
/// lives inside the engine's process; <see cref="DestroyAsync"/> ends it.
/// </summary>
public interface IVirtualMachine : IAsyncDisposable
{
    /// <summary>What the VM was made from.</summary>
    VmSpecification Specification { get; }

    /// <summary>What identifies the VM on its machine.</summary>
    VmInstance Instance { get; }

    /// <summary>What the engine can do with this VM.</summary>
    VmCapabilities Capabilities { get; }

    /// <summary>The VM's RAM.</summary>
    GuestMemory Memory { get; }

    /// <summary>The VM's disks; null where the hypervisor has none.</summary>
    IVmDisks? Disks => null;

    /// <summary>Completes when the VM is gone, whoever ended it; its result says how. Never faults.</summary>
    Task<string> Exited { get; }

    /// <summary>
    /// When the vCPUs last stopped, as a <see cref="System.Diagnostics.Stopwatch"/> timestamp (for QEMU: when its STOP event arrived); 0
    /// where they never did. Also set where the hypervisor pauses the VM by itself at the end of its own migration.
    /// </summary>
    long LastPausedAt { get; }

    /// <summary>Asks the VM what it is doing.</summary>
    Task<VmState> GetStateAsync(CancellationToken cancellationToken);

    /// <summary>Stops the vCPUs; when the task ends nothing writes memory any more. Pausing a paused VM does nothing.</summary>
    Task PauseAsync(CancellationToken cancellationToken);

    /// <summary>Lets the vCPUs run. Resuming a running VM does nothing.</summary>
    Task ResumeAsync(CancellationToken cancellationToken);

    /// <summary>Arms a write trace over all RAM; it is armed when the task ends.</summary>
    /// <param name="granularityBytes">
    /// The unit to report in, a power of two from 4096 to <see cref="WriteTrace.MaxGranularityBytes"/>, or
    /// <see cref="WriteTrace.AutoGranularity"/>. Where it cannot be had, <see cref="WriteTrace.Fallback"/> says what is used instead.
    /// </param>
    /// <param name="cancellationToken">Cancels the arming.</param>
    /// <exception cref="MigrationException">
    /// Where <see cref="VmCapabilities.EngineMigrationRefused"/> names a reason; <see cref="MigrationErrorReason.InvalidArgument"/>.
    /// </exception>
    Task<WriteTrace> StartWriteTraceAsync(int granularityBytes, CancellationToken cancellationToken);

    /// <summary>Reads how much of the VM's memory is mapped by large pages; null where nobody can say.</summary>
    LargePageCoverage? ReadLargePageCoverage();

    /// <summary>
    /// Maps memory by large pages again where tracing its writes has taken them apart; the VM may run. Where that is never so nothing is
    /// done.
    /// </summary>
    Task RestoreLargePagesAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>
    /// Looks for poisoned pages anew, and lists all that are known; the new ones are added to <see cref="GuestMemory.Poisoned"/>.
    /// </summary>
    Task<IReadOnlyList<PoisonedPage>> FindPoisonedPagesAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Makes a guest that touches one of these pages fail as after a memory error, and adds them to <see cref="GuestMemory.Poisoned"/>. The
    /// VM is paused or incoming. What is known of a page already stays; one that is only known, because it was poisoned where the VM comes
    /// from, is made to fail here too.
    /// </summary>
    /// <exception cref="MigrationException">Where <see cref="VmCapabilities.PoisonRefused"/> names a reason.</exception>
    Task PoisonAsync(IReadOnlyList<PoisonedPage> pages, CancellationToken cancellationToken);

    /// <summary>Where the guest sees its RAM. Without an answer of its own a hypervisor shows the RAM block as it is.</summary>
    Task<GuestPhysicalMap> ReadGuestPhysicalMapAsync(CancellationToken cancellationToken) =>
        Task.FromResult(GuestPhysicalMap.Identity(Memory.SizeBytes));

    /// <summary>
    /// Takes these pages of an incoming VM away, whatever was received for them: from now on whoever touches one waits until it is placed.
    /// </summary>
    /// <exception cref="MigrationException">Where <see cref="VmCapabilities.PostcopyRefused"/> names a reason.</exception>
    Task<MissingPages> StartPostcopyAsync(PageSet missing, CancellationToken cancellationToken);

    /// <summary>Starts page-table population of an incoming VM; null where the VM needs none or cannot have it.</summary>
    Task<PageTablePopulator?> StartPopulationAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Writes the state as the hypervisor produces it. With <see cref="StateContents.Devices"/> the VM is paused and can be resumed
    /// afterwards; with <see cref="StateContents.DevicesAndMemory"/> it runs meanwhile and is paused at the end.
    /// </summary>
    Task SaveStateAsync(Stream destination, StateContents contents, CancellationToken cancellationToken);

    /// <summary>
    /// Stops the vCPUs and begins to save the device state, with as much as possible done before they stop. When the task ends nothing writes
    /// memory any more; what has been written to <paramref name="destination"/> by then depends on nothing the guest did last, and may be
    /// loaded before the memory is complete. A VM that is paused stays paused.
    /// </summary>
    Task<IStateSave> PauseForSaveAsync(Stream destination, CancellationToken cancellationToken);

    /// <summary>Loads a saved state into an incoming VM, which is paused afterwards, its memory complete.</summary>
    Task LoadStateAsync(Stream source, CancellationToken cancellationToken);

    /// <summary>
    /// Gives the vCPUs this share of the time they would take, from above 0 to 1; 1 takes the brake off. The brake is off in a new VM.
    /// </summary>
    Task SetVcpuShareAsync(double share, CancellationToken cancellationToken);

    /// <summary>
    /// Minor and major page faults of the VM's process since it started (proc_pid_stat(5)); null where the VM has no process of its own.
    /// </summary>
    long? ReadPageFaults();

    /// <summary>Asks the guest to shut down; the VM is gone when the task ends.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.TimedOut"/> where the guest did not follow.</exception>
    Task ShutdownAsync(TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>
    /// Ends the VM at once and removes what it had on the machine: process, sockets, RAM file. Safe to call twice; after a failure another
    /// call goes on with what is left.
    /// </summary>
    Task DestroyAsync();
}
