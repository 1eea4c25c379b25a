namespace VmMigration.Engine.Memory;

/// <summary>What tracing costs, for the choice between its ways.</summary>
/// <param name="SyncFault">What a vCPU waits at a first write that the engine handles.</param>
/// <param name="AsyncFault">What it waits at a first write that the kernel resolves.</param>
/// <param name="NeedlessPage">What it costs to look at, and perhaps send, a page that was not written.</param>
/// <param name="LiftedPage">
/// What it waits at the first write to each further page of a region whose protection was lifted: zero where lifting is all. Linux 6.18
/// makes pages of private memory writable with it; of shared memory, as a VM's RAM is, each takes a fault of its own first (8,192 after
/// lifting 32 MiB of a tmpfs, 0.7 µs each, where an <paramref name="AsyncFault"/> took 0.8 µs).
/// </param>
public sealed record TraceCosts(TimeSpan SyncFault, TimeSpan AsyncFault, TimeSpan NeedlessPage, TimeSpan LiftedPage = default);
