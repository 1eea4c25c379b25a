namespace VmMigration.Engine.Memory;

/// <summary>What tracing costs, for the choice between its ways.</summary>
/// <param name="SyncFault">What a vCPU waits at a first write that the engine handles.</param>
/// <param name="AsyncFault">What it waits at a first write that the kernel resolves.</param>
/// <param name="NeedlessPage">What it costs to look at, and perhaps send, a page that was not written.</param>
public sealed record TraceCosts(TimeSpan SyncFault, TimeSpan AsyncFault, TimeSpan NeedlessPage);
