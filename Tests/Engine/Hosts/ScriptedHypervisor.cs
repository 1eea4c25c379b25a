using System.Collections.Concurrent;
using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Tests.Hosts;

/// <summary>
/// Stands for QEMU where a test needs VMs that outlive their host and fail on command: a 'process' is an entry in <see cref="Processes"/>.
/// </summary>
internal sealed class ScriptedHypervisor : IHypervisor
{
    private int lastProcessId = 100;

    public ConcurrentDictionary<int, ScriptedProcess> Processes { get; } = new();

    public string? Obstacle { get; set; }

    public string? LargePageObstacle { get; set; }

    public string? PostcopyObstacle { get; set; }

    /// <summary>Id of a process that lives and cannot be adopted.</summary>
    public int Unreachable { get; set; }

    /// <summary>What <see cref="StartAsync"/> waits for.</summary>
    public Task StartGate { get; set; } = Task.CompletedTask;

    public const string ChosenMachineType = "pc-q35-7.2";

    public int Starting;

    public HypervisorKind Kind => HypervisorKind.Qemu;

    public Task<string?> FindObstacleAsync(CancellationToken cancellationToken) => Task.FromResult(Obstacle);

    public string? FindLargePageObstacle(VmSpecification specification) => LargePageObstacle;

    public string? FindPostcopyObstacle(VmSpecification specification) => PostcopyObstacle;

    public async Task<IVirtualMachine> StartAsync(VmSpecification specification, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref Starting);
        await StartGate.WaitAsync(cancellationToken);
        // Like QEMU's hypervisor, it says what it chose.
        return Make(specification with { Qemu = specification.Qemu! with { MachineType = ChosenMachineType } }, VmState.Running);
    }

    public Task<IVirtualMachine> PrepareIncomingAsync(
        VmSpecification specification, StateContents contents, CancellationToken cancellationToken) =>
        Task.FromResult<IVirtualMachine>(Make(specification, VmState.Incoming));

    public Task<IVirtualMachine> AdoptAsync(VmSpecification specification, VmInstance instance, CancellationToken cancellationToken)
    {
        if (!Processes.TryGetValue(instance.ProcessId!.Value, out ScriptedProcess? process))
        {
            throw new MigrationException(MigrationErrorReason.VmExited, $"Process {instance.ProcessId} is gone.");
        }

        if (process.Id == Unreachable) throw new MigrationException(MigrationErrorReason.AccessDenied, "The QMP socket is taken.");
        return Task.FromResult<IVirtualMachine>(new ScriptedMachine(specification, process, this));
    }

    public ScriptedMachine Make(VmSpecification specification, VmState state)
    {
        var process = new ScriptedProcess(Interlocked.Increment(ref lastProcessId)) { State = state };
        Processes[process.Id] = process;
        return new(specification, process, this);
    }

    public IReadOnlyList<string> RemoveLeftovers(IReadOnlyList<VmInstance> known)
    {
        int[] leftovers = [.. Processes.Keys.Except(known.Select(instance => instance.ProcessId!.Value))];
        foreach (int processId in leftovers) End(processId, "Left by an engine that was killed.");
        return [.. leftovers.Select(processId => $"process {processId}")];
    }

    public void End(int processId, string how)
    {
        if (Processes.TryRemove(processId, out ScriptedProcess? process)) process.Ended.TrySetResult(how);
    }
}

/// <summary>A process of the <see cref="ScriptedHypervisor"/>.</summary>
internal sealed class ScriptedProcess(int id)
{
    public int Id { get; } = id;

    public VmState State { get; set; }

    public bool GuestFollowsShutdown { get; set; } = true;

    /// <summary>How often its end still fails, as where a file of it cannot be removed; the process is gone all the same.</summary>
    public int DestroyFailures { get; set; }

    public double VcpuShare { get; set; } = 1;

    public TaskCompletionSource<string> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
