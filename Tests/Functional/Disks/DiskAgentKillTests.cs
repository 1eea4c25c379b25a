using Xunit;

namespace VmMigration.Functional.Tests.Disks;

public class DiskAgentKillTests
{
    private const int Kills = 5;

    [Fact]
    public Task Killed_at_any_moment_an_agent_leaves_a_store_in_order_and_the_disk_arrives_whole_when_it_is_asked_for_again() =>
        DiskAgentKills.RunAsync(Kills, seed: Random.Shared.Next());
}
