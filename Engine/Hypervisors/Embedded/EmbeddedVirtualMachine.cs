using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// A VM of the embedded hypervisor. It lives inside the engine's process, so disposing it ends it. Changes of state happen one at a time;
/// each takes about as long as a batch of steps once begun (see <see cref="VcpuPace"/>), so a token cancels the wait for its turn, not the
/// change.
/// </summary>
public sealed partial class EmbeddedVirtualMachine : IVirtualMachine
{
    private readonly EmbeddedGuest guest;
    private readonly EmbeddedMemory memory;
    private readonly VcpuGroup vcpus;
    private readonly VcpuWatch watch;
    private readonly SemaphoreSlim turn = new(1, 1);
    private readonly TaskCompletionSource<string> exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile VmState state;
    private double share = 1;
    private long lastPausedAt;

    /// <param name="specification">What to make it from; was checked.</param>
    /// <param name="state"><see cref="VmState.Running"/> or <see cref="VmState.Incoming"/>.</param>
    internal EmbeddedVirtualMachine(VmSpecification specification, VmState state)
    {
        Specification = specification;
        guest = specification.Embedded!;
        this.state = state;
        Capabilities = new(
            EngineMigrationRefused: null,
            PopulationRefused: "A VM in the engine's own process has no page tables of its own to populate.",
            ThrottleRefused: null, LargePagesRefused: EmbeddedLargePages.FindObstacle(specification.Backing, new LargePageSettings()));
        memory = new EmbeddedMemory(specification.MemoryBytes, specification.Backing);
        if (state == VmState.Running) OpenMemoryToProgram();
        watch = new VcpuWatch(memory.Guards);
        vcpus = new VcpuGroup(specification, memory, watch, Mode);
    }

    /// <inheritdoc/>
    public VmSpecification Specification { get; }

    /// <inheritdoc/>
    public VmInstance Instance { get; } = new() { Accelerator = "embedded" };

    /// <inheritdoc/>
    public VmCapabilities Capabilities { get; }

    /// <inheritdoc/>
    public GuestMemory Memory => memory;

    /// <inheritdoc/>
    public Task<string> Exited => exited.Task;

    /// <inheritdoc/>
    public long LastPausedAt => Interlocked.Read(ref lastPausedAt);

    /// <summary>
    /// Completes when every vCPU has run all the steps of <see cref="EmbeddedGuest.HaltAfterSteps"/>; never for a guest without end.
    /// </summary>
    public Task Halted => vcpus.Halted;

    /// <summary>Whether a thread of the VM has not ended.</summary>
    internal bool HasThreads => vcpus.IsAlive;

    private VcpuMode Mode => state == VmState.Running ? VcpuMode.Run : VcpuMode.Stand;

    /// <inheritdoc/>
    public Task<VmState> GetStateAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(state);
    }

    /// <summary>Steps each vCPU has run so far; while the VM runs, up to a batch behind.</summary>
    public IReadOnlyList<long> ReadSteps() => vcpus.ReadSteps();

    /// <summary>Reads the registers of all vCPUs.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> while the VM runs.</exception>
    public async Task<IReadOnlyList<VcpuRegisters>> ReadRegistersAsync(CancellationToken cancellationToken)
    {
        using Turn held = await TakeTurnAsync(cancellationToken).ConfigureAwait(false);
        Require("read the registers of", VmState.Paused, VmState.Incoming);
        return vcpus.CopyRegisters();
    }

    /// <inheritdoc/>
    public Task PauseAsync(CancellationToken cancellationToken) => ChangeAsync("pause", VmState.Paused, cancellationToken);

    /// <inheritdoc/>
    public Task ResumeAsync(CancellationToken cancellationToken) => ChangeAsync("resume", VmState.Running, cancellationToken);

    /// <inheritdoc/>
    public Task<PageTablePopulator?> StartPopulationAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult<PageTablePopulator?>(null);
    }

    /// <inheritdoc/>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> where memory is asked for too; <see cref="MigrationErrorReason.InvalidState"/>
    /// where the VM is not paused.
    /// </exception>
    public async Task SaveStateAsync(Stream destination, StateContents contents, CancellationToken cancellationToken)
    {
        CheckContents(Specification, contents);
        byte[] encoded;
        using (await TakeTurnAsync(cancellationToken).ConfigureAwait(false))
        {
            Require("save the device state of", VmState.Paused);
            encoded = EmbeddedDeviceState.Encode(guest.Program, vcpus.CopyRegisters());
        }

        // Outside the turn: a stream that hangs must not keep the VM from being ended.
        await destination.WriteAsync(encoded, cancellationToken).ConfigureAwait(false);
        await destination.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IStateSave> PauseForSaveAsync(Stream destination, CancellationToken cancellationToken)
    {
        await PauseAsync(cancellationToken).ConfigureAwait(false);
        return new RegisterSave(this, destination);
    }

    /// <inheritdoc/>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where the VM is not incoming; <see cref="MigrationErrorReason.ProtocolViolation"/>
    /// or <see cref="MigrationErrorReason.VersionMismatch"/> where the state is not one for this VM: it stays incoming then.
    /// </exception>
    public async Task LoadStateAsync(Stream source, CancellationToken cancellationToken)
    {
        Require("load a device state into", VmState.Incoming);
        VcpuRegisters[] registers = await EmbeddedDeviceState.DecodeAsync(source, Specification, cancellationToken).ConfigureAwait(false);
        using Turn held = await TakeTurnAsync(cancellationToken).ConfigureAwait(false);
        Require("load a device state into", VmState.Incoming);
        vcpus.LoadRegisters(registers);
        state = VmState.Paused;
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Every vCPU runs and rests in turns of a few milliseconds; the rate of a paced guest shrinks by the share as well. A rest lasts
    /// 100 ms at the most, so the smallest shares come out at about one thousandth.
    /// </remarks>
    public async Task SetVcpuShareAsync(double share, CancellationToken cancellationToken)
    {
        if (share is not (> 0 and <= 1))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"'{Specification.Name}' cannot be held to {share} of its time.",
                "Give a share above 0, up to 1.");
        }

        using Turn held = await TakeTurnAsync(cancellationToken).ConfigureAwait(false);
        Require("slow down", VmState.Running, VmState.Paused, VmState.Incoming);
        this.share = share;
        await vcpus.OrderAsync(Mode, share).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public long? ReadPageFaults() => null;

    /// <inheritdoc/>
    /// <remarks>An embedded guest that runs shuts down at once; one that is not running cannot follow.</remarks>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> where the VM does not run.</exception>
    public async Task ShutdownAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        using Turn held = await TakeTurnAsync(cancellationToken).ConfigureAwait(false);
        Require("shut down", VmState.Running);
        await EndAsync("shut down by its guest").ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task DestroyAsync()
    {
        using Turn held = await TakeTurnAsync(CancellationToken.None).ConfigureAwait(false);
        if (state != VmState.Stopped) await EndAsync("destroyed").ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await DestroyAsync().ConfigureAwait(false);

    /// <summary>Refuses every kind of state but registers.</summary>
    internal static void CheckContents(VmSpecification specification, StateContents contents)
    {
        if (contents == StateContents.Devices) return;
        throw new MigrationException(
            MigrationErrorReason.InvalidArgument,
            $"The embedded hypervisor has no migration of its own: it saves the devices of '{specification.Name}', not {contents}.",
            "Let the engine move the memory.");
    }

    /// <summary>Starts the threads; they have taken up the VM's first state when the task ends.</summary>
    internal async Task StartVcpusAsync()
    {
        try
        {
            await vcpus.StartAsync().ConfigureAwait(false);
        }
        catch
        {
            memory.Dispose();
            throw;
        }

        _ = EndAfterMachineCheckAsync();
    }

    private async Task ChangeAsync(string verb, VmState target, CancellationToken cancellationToken)
    {
        using Turn held = await TakeTurnAsync(cancellationToken).ConfigureAwait(false);
        Require(verb, VmState.Running, VmState.Paused);
        if (state == target) return;
        state = target;
        if (target == VmState.Running) OpenMemoryToProgram();
        long obeyedAt = await vcpus.OrderAsync(Mode, share).ConfigureAwait(false);
        if (target == VmState.Paused) Interlocked.Exchange(ref lastPausedAt, obeyedAt);
    }

    private async Task EndAsync(string how)
    {
        state = VmState.Stopped;
        await vcpus.EndAsync().ConfigureAwait(false);
        memory.Dispose();
        exited.TrySetResult(how);
    }

    private void OpenMemoryToProgram()
    {
        if (GuestProgram.Of(guest.Program).WritesMemory) memory.OpenToProgram(guest.WorkingSetIn(memory.SizeBytes));
    }

    private async Task<Turn> TakeTurnAsync(CancellationToken cancellationToken)
    {
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new Turn(turn);
    }

    private void Require(string verb, params ReadOnlySpan<VmState> allowed)
    {
        VmState now = state;
        if (allowed.Contains(now)) return;
        if (now == VmState.Stopped)
        {
            throw new MigrationException(
                MigrationErrorReason.VmExited, $"Cannot {verb} '{Specification.Name}': it was ended.", "Start the VM again.");
        }

        throw new MigrationException(
            MigrationErrorReason.InvalidState, $"Cannot {verb} '{Specification.Name}' while it is {now}.",
            $"The VM must be {string.Join(" or ", allowed.ToArray())}.");
    }

    /// <summary>The registers are all there is to save, and they stand still once the VM is paused.</summary>
    private sealed class RegisterSave(EmbeddedVirtualMachine vm, Stream destination) : IStateSave
    {
        public Task CompleteAsync(CancellationToken cancellationToken) =>
            vm.SaveStateAsync(destination, StateContents.Devices, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>The right to change the state of the VM; given back by disposal.</summary>
    private readonly struct Turn(SemaphoreSlim turn) : IDisposable
    {
        public void Dispose() => turn.Release();
    }
}
