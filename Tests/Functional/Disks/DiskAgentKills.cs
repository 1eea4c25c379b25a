using VmMigration.Engine;
using VmMigration.Engine.Disks;
using VmMigration.Functional.Tests.HostAgent;
using Xunit;

namespace VmMigration.Functional.Tests.Disks;

/// <summary>Agents that are killed at random moments of a disk transfer.</summary>
internal static class DiskAgentKills
{
    private const int SizeMiB = 96;

    // About a second and a half for the disk: a kill meets it anywhere, its set-up and its end included.
    private const long BytesPerSecond = 48 << 20;
    private const int MostMilliseconds = 1800;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>
    /// Kills one agent after the other, each at a random moment of a transfer. After each kill the fragment store is in order; now and then the
    /// disk is asked for to the end, and is what it is at its source.
    /// </summary>
    /// <param name="kills">How many.</param>
    /// <param name="seed">Draws the moments and the victims; is in the message of a failure.</param>
    public static async Task RunAsync(int kills, int seed)
    {
        var random = new Random(seed);
        await using DiskAgents agents = await DiskAgents.StartAsync(SizeMiB);
        int arrivals = 0;
        for (int kill = 0; kill < kills; kill++)
        {
            AgentProcess victim = random.Next(2) == 0 ? agents.SourceAgent : agents.DestinationAgent;
            string moment = $"kill {kill} of '{victim.Name}', seed {seed}";
            try
            {
                int delay = random.Next(MostMilliseconds);
                Task<DiskTransferStatus> beginning = agents.BeginAsync(BytesPerSecond);
                await Task.Delay(delay, Cancel);
                moment += $", after {delay} ms";
                await DiskAgents.KillAsync(victim);

                // It began, or says why not.
                Exception? refusal = await Record.ExceptionAsync(() => beginning);
                Assert.True(refusal is null or MigrationException, refusal?.ToString());
                await agents.SettleAsync();
                if (agents.HasArrived)
                {
                    await agents.TakeCopyAsync();
                    arrivals++;
                }
                else if (kill == kills - 1 || random.Next(3) == 0)
                {
                    await FinishAsync(agents);
                    arrivals++;
                }
            }
            catch (Exception failure) when (failure is not OperationCanceledException)
            {
                throw new InvalidOperationException(
                    $"{moment}: {failure.Message}\n'a' wrote:\n{agents.SourceAgent.Log}\n'b' wrote:\n{agents.DestinationAgent.Log}", failure);
            }
        }

        Assert.True(arrivals > 0);
    }

    private static async Task FinishAsync(DiskAgents agents)
    {
        DiskTransferStatus ended = await agents.CopyAsync();
        Assert.True(ended.State == DiskTransferState.Completed, $"{ended.ErrorReason}: {ended.ErrorMessage}");
        Assert.Empty(await agents.SettleAsync());
        await agents.TakeCopyAsync();
    }
}
