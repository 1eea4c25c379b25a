using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Functional.Tests.Paths;
using Xunit;

namespace VmMigration.Soak;

/// <summary>Agents are killed at random moments while paths are made and used.</summary>
public class AgentKillSoak
{
    private const int Kills = 5;

    [Theory]
    [InlineData(MobilityPathKind.Overlay, false, MigrationState.Precopy)]
    [InlineData(MobilityPathKind.Overlay, true, MigrationState.Precopy)]
    [InlineData(MobilityPathKind.Overlay, false, MigrationState.Switchover)]
    [InlineData(MobilityPathKind.Overlay, true, MigrationState.Switchover)]
    [InlineData(MobilityPathKind.Nat, false, MigrationState.Precopy)]
    [InlineData(MobilityPathKind.Nat, true, MigrationState.Precopy)]
    [InlineData(MobilityPathKind.Nat, false, MigrationState.Switchover)]
    [InlineData(MobilityPathKind.Nat, true, MigrationState.Switchover)]
    public async Task Killed_again_and_again_an_agent_leaves_nothing_and_the_vm_whole_on_one_side(
        MobilityPathKind kind, bool killsDestination, MigrationState moment)
    {
        await AgentKills.KillWhileMadeAsync(kind, killsDestination, Kills);
        await AgentKills.KillWhileMovingAsync(kind, killsDestination, moment, Kills);
    }
}
