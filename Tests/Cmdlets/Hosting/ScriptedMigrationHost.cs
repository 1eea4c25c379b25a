using System.Runtime.CompilerServices;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using EngineState = VmMigration.Engine.Migration.MigrationState;

namespace VmMigration.Cmdlets.Tests.Hosting;

/// <summary>
/// A source host with one migration, whose states the test sets: for what a real one goes through only when its link breaks at the right
/// moment. It is one of the session's hosts, and has no VMs.
/// </summary>
internal sealed partial class ScriptedMigrationHost : IMigrationHost
{
    private readonly Lock gate = new();
    private MigrationStatus status;
    private Engine.MigrationException? failure;
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ScriptedMigrationHost(string name, string vmName)
    {
        Name = name;
        Disks = new(name);
        status = new()
        {
            Id = Guid.NewGuid(),
            VmId = Guid.NewGuid(),
            VmName = vmName,
            SourceHostName = name,
            DestinationHostName = "far",
            State = EngineState.Postcopy,
            StartedAt = DateTimeOffset.UtcNow,
            Progress = new(2, 100, 1000, 1 << 20, 1 << 20, 0, 1) { PagesMissing = 1024 },
        };
    }

    public string Name { get; }

    /// <summary>Its disks, and what becomes of their transfers.</summary>
    public ScriptedHostDisks Disks { get; }

    Engine.Disks.IHostDisks IMigrationHost.Disks => Disks;

    /// <summary>How often it was asked to resume the migration.</summary>
    public int Resumes { get; private set; }

    /// <summary>How often it was asked to cancel it.</summary>
    public int Cancellations { get; private set; }

    /// <summary>Whether the last request to resume was to use force.</summary>
    public bool WasForced { get; private set; }

    /// <summary>What every question is answered with; null where the host answers. Watching ends with it too.</summary>
    public Engine.MigrationException? Failure
    {
        get { lock (gate) return failure; }
        set => Change(() => failure = value);
    }

    /// <summary>Its VMs.</summary>
    public IReadOnlyList<VmDescription> Vms { get; set; } = [];

    public MigrationStatus Status
    {
        get { lock (gate) return status; }
    }

    /// <summary>A host of the session whose migration is in post-copy.</summary>
    public static async Task<ScriptedMigrationHost> AddAsync(string name, string vmName)
    {
        var host = new ScriptedMigrationHost(name, vmName);
        await HostRegistry.AddAsync(name, _ => Task.FromResult<IMigrationHost>(host), CancellationToken.None);
        return host;
    }

    public void MoveTo(EngineState state) => Change(() => status = status with
    {
        State = state,
        Result = state == EngineState.Completed ? new MigrationResult() : null,
        ErrorMessage = state == EngineState.PostcopyPaused ? "The link broke." : null,
    });

    public Task<IReadOnlyList<MigrationStatus>> ListMigrationsAsync(CancellationToken cancellationToken) =>
        Answer<IReadOnlyList<MigrationStatus>>(() => [Status]);

    public Task<MigrationStatus> GetMigrationAsync(Guid migrationId, CancellationToken cancellationToken) => Answer(() => Status);

    public async IAsyncEnumerable<MigrationStatus> WatchMigrationAsync(
        Guid migrationId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            Task next;
            MigrationStatus current;
            Engine.MigrationException? broken;
            lock (gate) (current, next, broken) = (status, changed.Task, failure);
            if (broken is not null) throw broken;
            yield return current;
            if (current.HasEnded) yield break;
            await next.WaitAsync(cancellationToken);
        }
    }

    public Task<MigrationStatus> ResumeMigrationAsync(Guid migrationId, bool force, CancellationToken cancellationToken)
    {
        Resumes++;
        WasForced = force;
        if (Status.State == EngineState.Undecided && !force)
        {
            return Task.FromException<MigrationStatus>(new Engine.MigrationException(
                Engine.MigrationErrorReason.Undecided, "The destination does not answer.", "Mend it, or use -Force."));
        }

        MoveTo(Status.State == EngineState.Undecided ? EngineState.RolledBack : EngineState.Postcopy);
        return Task.FromResult(Status);
    }

    /// <summary>What is in post-copy is not cancelled any more.</summary>
    public Task<MigrationStatus> CancelMigrationAsync(Guid migrationId, CancellationToken cancellationToken)
    {
        Cancellations++;
        return Task.FromException<MigrationStatus>(
            new Engine.MigrationException(Engine.MigrationErrorReason.InvalidState, "It is too late."));
    }

    public Task<IReadOnlyList<VmDescription>> ListVmsAsync(CancellationToken cancellationToken) => Answer(() => Vms);

    public Task<HostDescription> DescribeAsync(CancellationToken cancellationToken) => Answer(() => new HostDescription
    {
        Name = Name,
        MachineName = "scripted",
        ProcessorCount = 1,
        MemoryBytes = 1,
        AvailableMemoryBytes = 1,
        StateDirectory = "",
        Endpoint = "",
        // One for each of $a, $b and $c.
        PathAddresses = [$"192.0.2.{Name[0] - 'a' + 1}"],
        Paths = new Dictionary<Engine.Paths.MobilityPathKind, string?>
        {
            [Engine.Paths.MobilityPathKind.Direct] = null,
            [Engine.Paths.MobilityPathKind.Overlay] = OverlayObstacle,
            [Engine.Paths.MobilityPathKind.Nat] = null,
        },
        Hypervisors = new Dictionary<Engine.Hypervisors.HypervisorKind, string?>(),
    });

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void Change(Action change)
    {
        TaskCompletionSource told;
        lock (gate)
        {
            change();
            told = changed;
            changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        told.SetResult();
    }

    private Task<T> Answer<T>(Func<T> answer) =>
        Failure is { } broken ? Task.FromException<T>(broken) : Task.FromResult(answer());

    public Task<VmDescription> CreateVmAsync(VmSpecification specification, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<VmDescription> RegisterVmAsync(VmRegistration registration, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<VmDescription> GetVmAsync(Guid vmId, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<IReadOnlyList<VmMigration.Engine.Disks.VmDisk>> ListVmDisksAsync(Guid vmId, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<VmDescription> StartVmAsync(Guid vmId, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<VmDescription> StopVmAsync(Guid vmId, bool force, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<VmDescription> PauseVmAsync(Guid vmId, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<VmDescription> ResumeVmAsync(Guid vmId, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task RemoveVmAsync(Guid vmId, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<IReadOnlyList<Engine.Memory.PoisonedPage>> ListPoisonedPagesAsync(Guid vmId, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<IReadOnlyList<Engine.Memory.PoisonedPage>> AddPoisonedPagesAsync(
        Guid vmId, IReadOnlyList<long> guestPhysicalAddresses, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<Engine.Memory.LargePageCoverage?> ReadLargePagesAsync(Guid vmId, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<IReadOnlyList<Engine.Migration.PreflightFinding>> CheckIncomingAsync(
        IncomingRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<IncomingOffer> PrepareIncomingAsync(IncomingRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<MigrationOutcome> GetIncomingOutcomeAsync(Guid migrationId, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<MigrationStatus> SettleMigrationAsync(Guid migrationId, MigrationOutcome outcome, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task WithdrawIncomingAsync(Guid migrationId, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<MigrationStatus> StartMigrationAsync(MigrationRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException();
}
