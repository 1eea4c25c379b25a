using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Tests.Hosts;

/// <summary>An engine's attachment to a <see cref="ScriptedProcess"/>; holds no memory.</summary>
internal sealed class ScriptedMachine(VmSpecification specification, ScriptedProcess process, ScriptedHypervisor hypervisor) : IVirtualMachine
{
    private bool disposed;

    public VmSpecification Specification => specification;

    public ScriptedProcess Process => process;

    public VmInstance Instance { get; } = new() { ProcessId = process.Id, Accelerator = "scripted" };

    public VmCapabilities Capabilities { get; } = new(null, null, null);

    public GuestMemory Memory => throw new NotSupportedException();

    public Task<string> Exited => process.Ended.Task;

    public long LastPausedAt => 0;

    public Task<VmState> GetStateAsync(CancellationToken cancellationToken)
    {
        RequireAlive();
        return Task.FromResult(process.State);
    }

    public Task PauseAsync(CancellationToken cancellationToken)
    {
        RequireAlive();
        process.State = VmState.Paused;
        return Task.CompletedTask;
    }

    public Task ResumeAsync(CancellationToken cancellationToken)
    {
        RequireAlive();
        process.State = VmState.Running;
        return Task.CompletedTask;
    }

    public Task<WriteTrace> StartWriteTraceAsync(int granularityBytes, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public LargePageCoverage? ReadLargePageCoverage() => null;

    public Task<IReadOnlyList<PoisonedPage>> FindPoisonedPagesAsync(CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task PoisonAsync(IReadOnlyList<PoisonedPage> pages, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<MissingPages> StartPostcopyAsync(PageSet missing, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<PageTablePopulator?> StartPopulationAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task SaveStateAsync(Stream destination, StateContents contents, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<IStateSave> PauseForSaveAsync(Stream destination, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task LoadStateAsync(Stream source, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task SetVcpuShareAsync(double share, CancellationToken cancellationToken)
    {
        process.VcpuShare = share;
        return Task.CompletedTask;
    }

    public long? ReadPageFaults() => null;

    public async Task ShutdownAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        RequireAlive();
        if (process.GuestFollowsShutdown) hypervisor.End(process.Id, "The guest shut down.");
        try
        {
            await process.Ended.Task.WaitAsync(timeout, cancellationToken);
        }
        catch (TimeoutException e)
        {
            throw new MigrationException(MigrationErrorReason.TimedOut, $"'{specification.Name}' did not shut down.", innerException: e);
        }
    }

    public Task DestroyAsync()
    {
        hypervisor.End(process.Id, "Destroyed.");
        if (process.DestroyFailures-- > 0) throw new IOException("Device or resource busy");
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        disposed = true;
        return ValueTask.CompletedTask;
    }

    private void RequireAlive()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (process.Ended.Task.IsCompleted)
        {
            throw new MigrationException(MigrationErrorReason.VmExited, $"'{specification.Name}' is gone: {process.Ended.Task.Result}");
        }
    }
}
