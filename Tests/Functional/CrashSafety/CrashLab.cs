using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Native;
using VmMigration.Engine.Protocol;
using VmMigration.Functional.Tests.HostAgent;
using Xunit;

namespace VmMigration.Functional.Tests.CrashSafety;

/// <summary>
/// Two agents as processes of their own and one guest that moves between them, run after run, while something is killed. After each run
/// it judges what became of the guest, and goes the way out that the product names where it waits for one.
/// </summary>
internal sealed class CrashLab : IAsyncDisposable
{
    private static readonly TimeSpan bootLimit = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan settleLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan pollInterval = TimeSpan.FromMilliseconds(50);

    private readonly AgentLab agents;
    private readonly QemuGuest guest;
    private CrashAgent source;
    private CrashAgent destination;
    private VmSpecification? vm;
    private int booted;

    private CrashLab(AgentLab agents, QemuGuest guest, CrashAgent source, CrashAgent destination)
    {
        this.agents = agents;
        this.guest = guest;
        this.source = source;
        this.destination = destination;
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<CrashLab> OpenAsync()
    {
        AgentLab agents = await AgentLab.CreateAsync();
        try
        {
            QemuGuest guest = await CheckingGuest.BuildAsync(Path.Combine(agents.Root, "guest"), Cancellation);
            CrashAgent source = await CrashAgent.StartAsync(agents, "a");
            return new(agents, guest, source, await CrashAgent.StartAsync(agents, "b"));
        }
        catch
        {
            await agents.DisposeAsync();
            throw;
        }
    }

    /// <summary>Migrates the guest, kills the victim when the frame passes, and judges; returns what became of the guest.</summary>
    /// <param name="cell">Who dies when.</param>
    /// <param name="delivered">Whether the frame is handed on before the kill.</param>
    public async Task<string> RunAsync(CrashCell cell, bool delivered)
    {
        VmSpecification moving = vm ??= await BootAsync();
        CrashState state = cell.State;
        var options = new MigrationOptions
        {
            VerifyMemory = true, Channels = 2, Postcopy = state.Postcopy ? PostcopyPolicy.AfterFirstPass : PostcopyPolicy.Never,
        };
        VmDescription leaving = Assert.Single(await source.Host.ListVmsAsync(Cancellation));
        var request = new IncomingRequest(Guid.NewGuid(), leaving.Specification, StateContents.Devices, options, source.Host.Name);
        IncomingOffer offer = await destination.Host.PrepareIncomingAsync(request, Cancellation);
        VmDescription arriving = Assert.Single(await destination.Host.ListVmsAsync(Cancellation));
        await using var proxy = new FrameProxy(
            new(System.Net.IPAddress.Loopback, offer.Port), new(state.Type, state.FromSource, state.Nth, delivered), async () =>
            {
                if (!delivered) await JournalSnapshot.AssertRecordedBeforeAsync(state.Type, request.MigrationId, source, destination);
                await KillAsync(cell.Victim, leaving, arriving);
            });
        try
        {
            await source.Host.StartMigrationAsync(
                new(moving.Id, offer with { Port = proxy.Port }, StateContents.Devices, options), Cancellation);
        }
        catch (MigrationException) when (cell.Victim == CrashVictim.SourceAgent)
        {
            // It was killed before it had answered; its migration is under way all the same.
        }

        await proxy.Acted.WaitAsync(settleLimit, Cancellation);
        if (cell.Victim == CrashVictim.SourceAgent) await source.StartAsync();
        if (cell.Victim == CrashVictim.DestinationAgent) await destination.StartAsync();
        return await JudgeAsync(cell, request.MigrationId);
    }

    public async ValueTask DisposeAsync()
    {
        await source.DisposeAsync();
        await destination.DisposeAsync();
        await agents.DisposeAsync();
    }

    private async Task<VmSpecification> BootAsync()
    {
        var specification = new VmSpecification { Name = $"guest{++booted}", MemoryBytes = CheckingGuest.MemoryBytes, Qemu = guest };
        await source.Host.CreateVmAsync(specification, Cancellation);
        VmDescription started = await source.Host.StartVmAsync(specification.Id, Cancellation);
        await GuestTicks.WaitAsync(started, bootLimit, Cancellation);
        return specification;
    }

    private async Task KillAsync(CrashVictim victim, VmDescription leaving, VmDescription arriving)
    {
        switch (victim)
        {
            case CrashVictim.SourceAgent:
                await source.KillAsync();
                break;
            case CrashVictim.DestinationAgent:
                await destination.KillAsync();
                break;
            default:
                int processId = (victim == CrashVictim.SourceQemu ? leaving : arriving).Instance!.ProcessId!.Value;

                // The source's is gone already where it was let go before the frame passed.
                if (!Directory.Exists($"/proc/{processId}")) break;
                using (PidFd process = PidFd.Open(processId)) await QemuInstanceFiles.KillAsync(process);
                break;
        }
    }

    /// <summary>Waits for what becomes of the guest and checks it: it runs once, or waits paused with both copies, or its own process was killed.</summary>
    private async Task<string> JudgeAsync(CrashCell cell, Guid migrationId)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        deadline.CancelAfter(settleLimit);
        string seen = "";
        while (!deadline.IsCancellationRequested)
        {
            // The destination first: a source that is seen running after that never gave the VM away.
            VmDescription? there = (await destination.Host.ListVmsAsync(Cancellation)).SingleOrDefault();
            VmDescription? here = (await source.Host.ListVmsAsync(Cancellation)).SingleOrDefault();
            MigrationStatus status = (await source.Host.ListMigrationsAsync(Cancellation)).Single(known => known.Id == migrationId);
            Assert.False(there?.State == VmState.Running && here?.State == VmState.Running, "The VM runs on both sides.");
            seen = $"{status.State} ({status.ErrorMessage} {status.RecommendedAction}); source: {here?.State.ToString() ?? "none"}"
                + $" {here?.FailureMessage}; destination: {there?.State.ToString() ?? "none"} {there?.FailureMessage}";
            switch (status.State)
            {
                case MigrationState.Completed when here is null && there?.State == VmState.Running && there.MigrationId is null:
                    await GuestTicks.WaitAsync(there, settleLimit, Cancellation);
                    source.AssertClean();
                    (source, destination) = (destination, source);
                    return "runs at the destination";
                case MigrationState.RolledBack when there is null && here?.State == VmState.Running && here.MigrationId is null:
                    await GuestTicks.WaitAsync(here, settleLimit, Cancellation);
                    destination.AssertClean();
                    return "runs at the source";
                case MigrationState.Completed when here is null && there?.State == VmState.Failed && there.MigrationId is null:
                    Assert.Equal(CrashVictim.DestinationQemu, cell.Victim);
                    Assert.NotNull(there.FailureMessage);
                    await ForgetAsync(destination);
                    return "had moved, and ended with its process";
                case MigrationState.RolledBack when there is null && here?.State == VmState.Failed && here.MigrationId is null:
                    Assert.Equal(CrashVictim.SourceQemu, cell.Victim);
                    Assert.NotNull(here.FailureMessage);
                    await ForgetAsync(source);
                    return "was at the source, and ended with its process";
                case MigrationState.Undecided or MigrationState.PostcopyPaused:
                    MigrationOutcome outcome = await destination.Host.GetIncomingOutcomeAsync(migrationId, Cancellation);
                    if (outcome == MigrationOutcome.Undecided) return await TakeBackAsync(status, here!, there!);
                    if (outcome == MigrationOutcome.DestinationReceives && cell.Victim == CrashVictim.DestinationAgent)
                    {
                        return await GoOnAsync(status, here!, there!);
                    }

                    break;
            }

            await Task.Delay(pollInterval, Cancellation);
        }

        throw new InvalidOperationException($"After {settleLimit} it is still {seen}");
    }

    /// <summary>Nobody can know whether the guest ran at the destination: its paused copy is taken back by force, and only by force.</summary>
    private async Task<string> TakeBackAsync(MigrationStatus status, VmDescription here, VmDescription there)
    {
        Assert.NotEqual(VmState.Running, there.State);
        Assert.Equal(VmState.Paused, here.State);
        Assert.NotNull(status.RecommendedAction);
        MigrationException refusal = await Assert.ThrowsAsync<MigrationException>(
            () => source.Host.ResumeMigrationAsync(status.Id, force: false, Cancellation));
        Assert.Equal(MigrationErrorReason.Undecided, refusal.Reason);
        Assert.Contains("runs twice", refusal.RecommendedAction, StringComparison.Ordinal);
        await ForgetAsync(destination, keepVm: true);
        Assert.Equal(MigrationState.RolledBack, (await source.Host.ResumeMigrationAsync(status.Id, force: true, Cancellation)).State);
        VmDescription taken = Assert.Single(await source.Host.ListVmsAsync(Cancellation));
        Assert.Equal(VmState.Running, taken.State);
        await GuestTicks.WaitAsync(taken, settleLimit, Cancellation);
        return "waited paused, and was taken back by force";
    }

    /// <summary>The guest misses pages that only the source's copy has.</summary>
    private async Task<string> GoOnAsync(MigrationStatus status, VmDescription here, VmDescription there)
    {
        Assert.Equal(VmState.Paused, here.State);
        Assert.NotEqual(VmState.Running, there.State);
        Assert.NotNull(status.RecommendedAction);
        Assert.NotNull(there.FailureMessage);
        MigrationException refusal = await Assert.ThrowsAsync<MigrationException>(
            () => source.Host.ResumeMigrationAsync(status.Id, force: true, Cancellation));
        Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
        Assert.NotNull(refusal.RecommendedAction);
        await ForgetAsync(destination);
        await ForgetAsync(source);
        return "waited paused with both copies kept";
    }

    /// <summary>Ends and removes what an agent has of the VM; then nothing of it may be left there.</summary>
    private async Task ForgetAsync(CrashAgent agent, bool keepVm = false)
    {
        foreach (VmDescription left in await agent.Host.ListVmsAsync(Cancellation))
        {
            if (left.State != VmState.Stopped) await agent.Host.StopVmAsync(left.Specification.Id, force: true, Cancellation);
            await agent.Host.RemoveVmAsync(left.Specification.Id, Cancellation);
        }

        agent.AssertClean();
        if (!keepVm) vm = null;
    }
}
