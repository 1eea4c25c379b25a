namespace VmMigration.Cmdlets;

/// <summary>One thing Test-MigrationHost looked at.</summary>
/// <param name="HostName">The host.</param>
/// <param name="Check">What was looked at: the name of a hypervisor, or Memory.</param>
/// <param name="Passed">Whether it is as it should be.</param>
/// <param name="Message">What was found.</param>
public sealed record HostCheck(string HostName, string Check, bool Passed, string Message);
