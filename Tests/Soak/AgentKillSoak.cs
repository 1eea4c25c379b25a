using System.Globalization;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Functional.Tests.Paths;
using Xunit;

namespace VmMigration.Soak;

/// <summary>
/// Agents are killed at random moments while paths are made and used. It may be said in the environment how often in each case
/// (<c>VMMIGRATION_AGENT_KILLS</c>, 5).
/// </summary>
public class AgentKillSoak
{
    private static readonly int kills = int.Parse(
        Environment.GetEnvironmentVariable("VMMIGRATION_AGENT_KILLS") ?? "5", CultureInfo.InvariantCulture);

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
        await AgentKills.KillWhileMadeAsync(kind, killsDestination, kills);
        await AgentKills.KillWhileMovingAsync(kind, killsDestination, moment, kills);
    }
}
