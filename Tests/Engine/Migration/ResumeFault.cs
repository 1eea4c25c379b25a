using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>A VM that fails at the moment of its resume.</summary>
internal sealed class ResumeFault(IVirtualMachine inner, MigrationException failure) : IVirtualMachine
{
    public VmSpecification Specification => inner.Specification;

    public VmInstance Instance => inner.Instance;

    public VmCapabilities Capabilities => inner.Capabilities;

    public GuestMemory Memory => inner.Memory;

    public Task<string> Exited => inner.Exited;

    public long LastPausedAt => inner.LastPausedAt;

    public Task<VmState> GetStateAsync(CancellationToken cancellationToken) => inner.GetStateAsync(cancellationToken);

    public Task PauseAsync(CancellationToken cancellationToken) => inner.PauseAsync(cancellationToken);

    public Task ResumeAsync(CancellationToken cancellationToken) => Task.FromException(failure);

    public Task<WriteTrace> StartWriteTraceAsync(int granularityBytes, CancellationToken cancellationToken) =>
        inner.StartWriteTraceAsync(granularityBytes, cancellationToken);

    public LargePageCoverage? ReadLargePageCoverage() => inner.ReadLargePageCoverage();

    public Task<IReadOnlyList<PoisonedPage>> FindPoisonedPagesAsync(CancellationToken cancellationToken) =>
        inner.FindPoisonedPagesAsync(cancellationToken);

    public Task PoisonAsync(IReadOnlyList<PoisonedPage> pages, CancellationToken cancellationToken) =>
        inner.PoisonAsync(pages, cancellationToken);

    public Task<MissingPages> StartPostcopyAsync(PageSet missing, CancellationToken cancellationToken) =>
        inner.StartPostcopyAsync(missing, cancellationToken);

    public Task<PageTablePopulator?> StartPopulationAsync(CancellationToken cancellationToken) => inner.StartPopulationAsync(cancellationToken);

    public Task SaveStateAsync(Stream destination, StateContents contents, CancellationToken cancellationToken) =>
        inner.SaveStateAsync(destination, contents, cancellationToken);

    public Task<IStateSave> PauseForSaveAsync(Stream destination, CancellationToken cancellationToken) =>
        inner.PauseForSaveAsync(destination, cancellationToken);

    public Task LoadStateAsync(Stream source, CancellationToken cancellationToken) => inner.LoadStateAsync(source, cancellationToken);

    public Task SetVcpuShareAsync(double share, CancellationToken cancellationToken) => inner.SetVcpuShareAsync(share, cancellationToken);

    public long? ReadPageFaults() => inner.ReadPageFaults();

    public Task ShutdownAsync(TimeSpan timeout, CancellationToken cancellationToken) => inner.ShutdownAsync(timeout, cancellationToken);

    public Task DestroyAsync() => inner.DestroyAsync();

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
