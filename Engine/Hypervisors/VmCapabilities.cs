namespace VmMigration.Engine.Hypervisors;

/// <summary>
/// What the engine can do with a VM, found out once when it was attached. Each property is null where the mechanism works and else says
/// in a sentence why not.
/// </summary>
/// <param name="EngineMigrationRefused">Why the engine cannot move the memory itself, so that the hypervisor's own migration is used.</param>
/// <param name="PopulationRefused">Why page tables cannot be populated ahead of the resume.</param>
/// <param name="ThrottleRefused">Why the vCPUs cannot be slowed down.</param>
/// <param name="CoarseTraceRefused">
/// Why writes cannot be traced in units coarser than a page, with an engine thread handling the faults.
/// </param>
/// <param name="PoisonRefused">Why a page cannot be made to fail as after a memory error.</param>
/// <param name="LargePagesRefused">Why its memory is not on large pages, or why they cannot be kept.</param>
/// <param name="PostcopyRefused">Why the VM cannot resume before all of its memory is there.</param>
/// <param name="PoisonFallback">In what other way than by a mark in the page tables a page is made to fail, and why.</param>
public sealed record VmCapabilities(
    string? EngineMigrationRefused, string? PopulationRefused, string? ThrottleRefused, string? CoarseTraceRefused = null,
    string? PoisonRefused = null, string? LargePagesRefused = null, string? PostcopyRefused = null,
    string? PoisonFallback = null);
