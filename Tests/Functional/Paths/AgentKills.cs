using System.Diagnostics;
using System.Security.Cryptography;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Functional.Tests.HostAgent;
using VmMigration.Functional.Tests.Migration;
using Xunit;

namespace VmMigration.Functional.Tests.Paths;

/// <summary>Agents that are killed while a path is made and used.</summary>
internal static class AgentKills
{
    // Slow enough that a kill meets the migration where it is meant to.
    private const long BytesPerSecond = 48 << 20;

    // A gateway forgets hosts that are silent, and orphaned connections end by their own limits.
    private static readonly TimeSpan clearLimit = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan settlingLimit = TimeSpan.FromMinutes(2);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Kills an agent while a path is made, and starts it again: nothing of the path stays.</summary>
    public static async Task KillWhileMadeAsync(MobilityPathKind kind, bool killsDestination, int kills)
    {
        await using LabAgents lab = await LabAgents.StartAsync(kind, Cancel);
        AgentProcess victim = killsDestination ? lab.DestinationAgent : lab.SourceAgent;
        for (int round = 0; round < kills; round++)
        {
            Task<MobilityPath> making = MobilityPathBroker.CreateAsync(kind, lab.Source, lab.Destination, lab.GatewayOf(kind), Cancel);
            await DelayAtRandomAsync(150);
            await lab.KillAsync(victim);
            await Record.ExceptionAsync(() => making);
            await lab.StartAsync(victim, Cancel);
            await RemoveAllPathsAsync(lab);
            await lab.AssertNothingIsLeftAsync(clearLimit, Cancel);
        }
    }

    /// <summary>Kills an agent while a VM moves, and starts it again: nothing of the path stays, and the VM is whole on one side.</summary>
    public static async Task KillWhileMovingAsync(
        MobilityPathKind kind, bool killsDestination, MigrationState moment, int kills)
    {
        await using LabAgents lab = await LabAgents.StartAsync(kind, Cancel);
        VmDescription vm = await lab.BootAsync(Cancel);
        (AgentProcess From, AgentProcess To) way = (lab.SourceAgent, lab.DestinationAgent);
        for (int round = 0; round < kills; round++)
        {
            MigrationStatus started = await MigrationBroker.StartAsync(
                lab.HostOf(way.From), vm.Specification.Id, lab.HostOf(way.To),
                new() { VerifyMemory = true, MaxBytesPerSecond = BytesPerSecond, DowntimeLimit = TimeSpan.FromMilliseconds(300) },
                MobilityPathChoice.Make(kind, lab.GatewayOf(kind)), Cancel);
            await WaitForAsync(lab.HostOf(way.From), started.Id, moment);
            await DelayAtRandomAsync(moment == MigrationState.Precopy ? 500 : 60);
            AgentProcess victim = killsDestination ? way.To : way.From;
            await lab.KillAsync(victim);
            await lab.StartAsync(victim, Cancel);

            AgentProcess owner = await SettleAsync(lab, way.From, way.To, vm.Specification.Id);
            await lab.AssertNothingIsLeftAsync(clearLimit, Cancel);

            // From where it is now to the other side.
            if (owner == way.To) way = (way.To, way.From);
        }
    }

    /// <summary>Waits until the migration has come to a state, or past it.</summary>
    private static async Task WaitForAsync(IMigrationHost source, Guid migrationId, MigrationState moment)
    {
        await foreach (MigrationStatus status in source.WatchMigrationAsync(migrationId, Cancel))
        {
            if (status.State == moment || status.HasEnded || status.State == MigrationState.Switchover) return;
        }
    }

    /// <summary>
    /// Waits until the VM runs on exactly one side with its guest going on, or is paused with its copy on both; such a one is decided as an
    /// administrator would, who knows that the destination does not run it. Nowhere on the way it may run twice.
    /// </summary>
    /// <returns>The agent whose VM it is.</returns>
    private static async Task<AgentProcess> SettleAsync(LabAgents lab, AgentProcess from, AgentProcess to, Guid vmId)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            VmDescription? left = await FindAsync(lab.HostOf(from), vmId);
            VmDescription? arrived = await FindAsync(lab.HostOf(to), vmId);
            string found = $"{from.Name}: {Describe(left)}; {to.Name}: {Describe(arrived)}";
            Assert.False(left?.State == VmState.Running && arrived?.State == VmState.Running, $"It runs twice. {found}");
            Assert.False(left is null && arrived is null, "It is lost.");
            if ((left, arrived) is ({ State: VmState.Running, MigrationId: null }, null))
            {
                await QemuHostPair.AssertTicksAsync(lab.HostOf(from), vmId, Cancel);
                return from;
            }

            if ((left, arrived) is (null, { State: VmState.Running, MigrationId: null }))
            {
                await QemuHostPair.AssertTicksAsync(lab.HostOf(to), vmId, Cancel);
                return to;
            }

            if (Stopwatch.GetElapsedTime(start) > settlingLimit)
            {
                Assert.Fail($"It did not settle in {settlingLimit}. {found}\n{from.Name} wrote:\n{from.Log}\n{to.Name} wrote:\n{to.Log}");
            }

            await Task.Delay(200, Cancel);
        }
    }

    private static async Task<VmDescription?> FindAsync(IMigrationHost host, Guid vmId) =>
        (await host.ListVmsAsync(Cancel)).FirstOrDefault(vm => vm.Specification.Id == vmId);

    private static string Describe(VmDescription? vm) =>
        vm is null ? "nothing" : $"{vm.State}, migration {vm.MigrationId?.ToString() ?? "none"}, {vm.FailureMessage}";

    private static Task DelayAtRandomAsync(int mostMilliseconds) =>
        Task.Delay(RandomNumberGenerator.GetInt32(mostMilliseconds + 1), Cancel);

    /// <summary>What a session does with paths that nothing uses: the ends of hosts that were not killed wait for a migration.</summary>
    private static async Task RemoveAllPathsAsync(LabAgents lab)
    {
        IMigrationHost[] hosts = [lab.Source, lab.Destination, lab.Gateway];
        foreach (MobilityPath path in await MobilityPathBroker.ListAsync(hosts, Cancel))
        {
            await MobilityPathBroker.RemoveAsync(path.PathId, hosts, Cancel);
        }
    }
}
