namespace VmMigration.Engine.Hypervisors;

/// <summary>
/// What the engine can do with a VM, found out once when it was attached. Each property is null where the mechanism works and else says
/// in a sentence why not.
/// </summary>
/// <param name="EngineMigrationRefused">Why the engine cannot move the memory itself, so that the hypervisor's own migration is used.</param>
/// <param name="PopulationRefused">Why page tables cannot be populated ahead of the resume.</param>
/// <param name="ThrottleRefused">Why the vCPUs cannot be slowed down.</param>
public sealed record VmCapabilities(string? EngineMigrationRefused, string? PopulationRefused, string? ThrottleRefused);
