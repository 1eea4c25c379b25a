using CsCheck;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

public class RandomMigrationTests
{
    private const long MiB = 1 << 20;

    private static readonly Gen<Case> cases =
        from memory in Gen.Int[1, 6]
        from program in Gen.OneOf(
            GuestProgramKind.Idle, GuestProgramKind.SequentialWriter, GuestProgramKind.HotSetWriter, GuestProgramKind.Checksum)
        from seed in Gen.ULong
        from vcpus in Gen.Int[1, 3]
        from granularity in Gen.OneOf(0, 4096, 16384, 65536, 1 << 20)
        from steps in Gen.OneOf(20_000L, 500_000, 5_000_000)
        from megabytesPerSecond in Gen.OneOf(0L, 5, 50, 200)
        from channels in Gen.Int[1, 4]
        from verify in Gen.Bool
        from postcopy in Gen.OneOf(
            PostcopyPolicy.Never, PostcopyPolicy.Never, PostcopyPolicy.WhenNotConverging, PostcopyPolicy.AfterFirstPass)
        from security in Gen.OneOf(LinkSecurity.Plain, LinkSecurity.Tls)
        from fault in Gen.OneOf(Fault.None, Fault.Cancel, Fault.Cut, Fault.Cut)
        from at in Gen.Double[0, 1]
        select new Case(
            memory * 2 * MiB, program, seed, vcpus, granularity, steps, megabytesPerSecond * 1_000_000,
            channels, verify, postcopy, security, fault, at);

    private enum Fault
    {
        None,
        Cancel,
        Cut,
    }

    [Fact]
    public async Task After_a_thousand_random_migrations_exactly_one_side_runs_and_its_memory_equals_the_replay()
    {
        int[] ends = new int[3];
        await cases.SampleAsync(
            async sample =>
            {
                MigrationState state = await RunAsync(sample, TestContext.Current.CancellationToken);
                Interlocked.Increment(ref ends[state == MigrationState.Completed ? 0 : state == MigrationState.RolledBack ? 1 : 2]);
            },
            iter: 1000, threads: Environment.ProcessorCount);
        TestContext.Current.TestOutputHelper!.WriteLine($"completed {ends[0]}, rolled back {ends[1]}, undecided {ends[2]}");

        // A generator that only ever reached one end would prove little.
        Assert.True(ends[0] > 100 && ends[1] > 100, $"completed {ends[0]}, rolled back {ends[1]}");
        Assert.Equal(0, ends[2]);
    }

    private static async Task<MigrationState> RunAsync(Case sample, CancellationToken cancellation)
    {
        var guest = new EmbeddedGuest
        {
            Program = sample.Program,
            Seed = sample.Seed,
            StepsPerSecond = sample.StepsPerSecond,
            WriteTraceGranularityBytes = sample.GranularityBytes,
        };
        var options = new MigrationOptions
        {
            MaxBytesPerSecond = sample.BytesPerSecond,
            Channels = sample.Channels,
            VerifyMemory = sample.Verify,
            Postcopy = sample.Postcopy,
            DowntimeLimit = TimeSpan.FromMilliseconds(200),
            MaxPasses = 6,
        };
        CuttingProxy? proxy = null;
        await using MigrationPair pair = await MigrationPair.CreateAsync(
            guest, sample.MemoryBytes, sample.Vcpus, options,
            endpoint => sample.Fault == Fault.Cut
                ? (proxy = new(endpoint, (long)(sample.At * sample.At * 1.2 * sample.MemoryBytes))).Endpoint
                : endpoint,
            cancellation, security: sample.Security);
        using var cancel = new CancellationTokenSource();
        if (sample.Fault == Fault.Cancel) cancel.CancelAfter(TimeSpan.FromMilliseconds(sample.At * 50));
        Task<int> resuming = pair.ResumeAlwaysAsync(cancellation);
        (MigrationStatus status, MigrationOutcome outcome) = await pair.RunAsync(cancel.Token);
        await resuming;
        if (proxy is not null) await proxy.DisposeAsync();

        bool completed = status.State == MigrationState.Completed;
        Assert.Equal(completed ? MigrationOutcome.DestinationOwns : MigrationOutcome.SourceOwns, outcome);
        var owner = (EmbeddedVirtualMachine)(completed ? pair.Destination : pair.Source);
        IVirtualMachine other = completed ? pair.Source : pair.Destination;
        Assert.True(other.Exited.IsCompleted, "the other side still has a copy");
        Assert.Equal(VmState.Running, await owner.GetStateAsync(cancellation));
        if (sample.Fault == Fault.None) Assert.True(completed || status.ErrorReason == MigrationErrorReason.NotConverging, status.ErrorMessage);
        if (completed && sample.Verify) Assert.True(status.Result!.MemoryVerified);

        await owner.PauseAsync(cancellation);
        IReadOnlyList<VcpuRegisters> registers = await owner.ReadRegistersAsync(cancellation);
        Assert.Null(ReplayOracle.FindDifference(guest, registers, owner.Memory, cancellation));
        return status.State;
    }

    private sealed record Case(
        long MemoryBytes, GuestProgramKind Program, ulong Seed, int Vcpus, int GranularityBytes, long StepsPerSecond, long BytesPerSecond,
        int Channels, bool Verify, PostcopyPolicy Postcopy, LinkSecurity Security, Fault Fault, double At);
}
