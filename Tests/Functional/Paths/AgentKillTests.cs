using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using Xunit;

namespace VmMigration.Functional.Tests.Paths;

/// <summary>Agents are killed while a path is made and used: nothing of it stays, and the VM is whole on exactly one side.</summary>
public sealed class AgentKillTests
{
    [Theory]
    [InlineData(MobilityPathKind.Overlay, false)]
    [InlineData(MobilityPathKind.Overlay, true)]
    [InlineData(MobilityPathKind.Nat, false)]
    [InlineData(MobilityPathKind.Nat, true)]
    public Task Killed_while_a_path_is_made_an_agent_leaves_nothing_of_it(MobilityPathKind kind, bool killsDestination) =>
        AgentKills.KillWhileMadeAsync(kind, killsDestination, kills: 2);

    [Theory]
    [InlineData(MobilityPathKind.Overlay, false, MigrationState.Switchover)]
    [InlineData(MobilityPathKind.Nat, true, MigrationState.Precopy)]
    public Task Killed_while_a_vm_moves_an_agent_leaves_nothing_of_the_path_and_the_vm_whole_on_one_side(
        MobilityPathKind kind, bool killsDestination, MigrationState moment) =>
        AgentKills.KillWhileMovingAsync(kind, killsDestination, moment, kills: 1);
}
