using System.Globalization;
using VmMigration.Functional.Tests.Disks;
using Xunit;

namespace VmMigration.Soak;

/// <summary>
/// Either agent is killed at random moments of disk transfers. It may be said in the environment how often (<c>VMMIGRATION_DISK_KILLS</c>, 200)
/// and with which seed (<c>VMMIGRATION_DISK_SEED</c>, drawn), which a failure names.
/// </summary>
public class DiskKillSoak
{
    [Fact]
    public Task Killed_two_hundred_times_an_agent_leaves_no_file_without_a_record_and_the_disk_arrives_whole() => DiskAgentKills.RunAsync(
        int.Parse(Environment.GetEnvironmentVariable("VMMIGRATION_DISK_KILLS") ?? "200", CultureInfo.InvariantCulture),
        Environment.GetEnvironmentVariable("VMMIGRATION_DISK_SEED") is { } seed
            ? int.Parse(seed, CultureInfo.InvariantCulture) : Random.Shared.Next());
}
