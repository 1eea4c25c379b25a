using CsCheck;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>Migrations inside TLS over links that change bytes or end.</summary>
public class LinkFaultTests
{
    private const long MiB = 1 << 20;

    private static readonly EmbeddedGuest guest = new() { Program = GuestProgramKind.HotSetWriter, Seed = 5, StepsPerSecond = 500_000 };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100)]
    [InlineData(400)]
    [InlineData(900)]
    [InlineData(1200)]
    public async Task A_handshake_that_is_cut_leaves_the_VM_where_it_was(long bytes)
    {
        CuttingProxy? proxy = null;
        await using MigrationPair pair = await MigrationPair.CreateAsync(
            guest, 2 * MiB, 1, new(), endpoint => (proxy = new(endpoint, bytes)).Endpoint, Cancel, security: LinkSecurity.Tls);
        (MigrationStatus status, MigrationOutcome outcome) = await pair.RunAsync(Cancel);
        await proxy!.DisposeAsync();

        Assert.True(proxy.HasCut);
        Assert.Equal(MigrationState.RolledBack, status.State);
        Assert.Equal(MigrationErrorReason.ConnectionLost, status.ErrorReason);
        Assert.Equal(MigrationOutcome.SourceOwns, outcome);
        await AssertWholeAsync((EmbeddedVirtualMachine)pair.Source);
    }

    [Fact]
    public async Task A_destination_with_another_certificate_gets_nothing_of_the_VM()
    {
        using var another = LinkCertificate.Create();
        await using MigrationPair pair = await MigrationPair.CreateAsync(
            guest, 2 * MiB, 1, new(), null, Cancel, security: LinkSecurity.Tls,
            change: offer => offer with { CertificateHash = another.Hash });
        (MigrationStatus status, MigrationOutcome outcome) = await pair.RunAsync(Cancel);

        Assert.Equal(MigrationState.RolledBack, status.State);
        Assert.Equal(MigrationErrorReason.LinkRefused, status.ErrorReason);
        Assert.Equal(MigrationOutcome.SourceOwns, outcome);
        await AssertWholeAsync((EmbeddedVirtualMachine)pair.Source);
    }

    /// <summary>
    /// Each round changes one bit at a random place of a random connection, in either direction. Nobody may take a changed byte for one the
    /// peer sent: what runs in the end equals its replay.
    /// </summary>
    [Fact]
    public async Task A_changed_bit_breaks_the_connection_and_never_reaches_memory()
    {
        int changed = 0;
        int completed = 0;
        Gen<(int, bool, double, int, PostcopyPolicy, bool)> cases =
            from connection in Gen.Int[0, 3]
            from towards in Gen.Bool
            from at in Gen.Double[0, 1]
            from bit in Gen.Int[0, 7]
            from postcopy in Gen.OneOf(PostcopyPolicy.Never, PostcopyPolicy.AfterFirstPass)
            from verify in Gen.Bool
            select (connection, towards, at, bit, postcopy, verify);
        await cases.SampleAsync(
            async sample =>
            {
                (int connection, bool towards, double at, int bit, PostcopyPolicy postcopy, bool verify) = sample;

                // What comes back on a connection is little: the handshake and a few answers.
                long target = (long)(at * at * (towards ? 3 * MiB : 2500));
                int done = 0;
                InspectingProxy? proxy = null;
                await using MigrationPair pair = await MigrationPair.CreateAsync(
                    guest, 6 * MiB, 1, new() { Channels = 2, Postcopy = postcopy, VerifyMemory = verify },
                    endpoint => (proxy = new(endpoint, (number, towardsTarget, offset, bytes) =>
                    {
                        if (number != connection || towardsTarget != towards || target < offset || target >= offset + bytes.Length) return;
                        bytes.Span[(int)(target - offset)] ^= (byte)(1 << bit);
                        Interlocked.Increment(ref done);
                    })).Endpoint,
                    Cancel, security: LinkSecurity.Tls);
                Task<int> resuming = pair.ResumeAlwaysAsync(Cancel);
                (MigrationStatus status, MigrationOutcome outcome) = await pair.RunAsync(Cancel);
                await resuming;
                await proxy!.DisposeAsync();

                bool isComplete = status.State == MigrationState.Completed;
                Assert.Equal(isComplete ? MigrationOutcome.DestinationOwns : MigrationOutcome.SourceOwns, outcome);
                if (done == 0) Assert.True(isComplete, $"{status.ErrorReason}: {status.ErrorMessage}");
                if (!isComplete)
                {
                    Assert.Contains(
                        status.ErrorReason,
                        new[] { MigrationErrorReason.ConnectionLost, MigrationErrorReason.LinkRefused, MigrationErrorReason.DestinationFailed });
                }

                Interlocked.Add(ref changed, done);
                if (isComplete) Interlocked.Increment(ref completed);
                await AssertWholeAsync((EmbeddedVirtualMachine)(isComplete ? pair.Destination : pair.Source));
            },
            iter: 150, threads: Environment.ProcessorCount);
        TestContext.Current.TestOutputHelper!.WriteLine($"{changed} bits changed, {completed} of 150 migrations completed");
        Assert.True(changed > 50, $"only {changed} bits were changed");
    }

    [Fact]
    public async Task The_link_security_stands_in_the_status_and_the_result()
    {
        foreach (LinkSecurity security in new[] { LinkSecurity.Plain, LinkSecurity.Tls })
        {
            await using MigrationPair pair = await MigrationPair.CreateAsync(guest, 2 * MiB, 1, new(), null, Cancel, security: security);
            (MigrationStatus status, _) = await pair.RunAsync(Cancel);
            Assert.Equal(MigrationState.Completed, status.State);
            Assert.Equal(security, status.LinkSecurity);
            Assert.Equal(security, status.Result!.LinkSecurity);
        }
    }

    private static async Task AssertWholeAsync(EmbeddedVirtualMachine owner)
    {
        Assert.Equal(VmState.Running, await owner.GetStateAsync(Cancel));
        await owner.PauseAsync(Cancel);
        Assert.Null(ReplayOracle.FindDifference(guest, await owner.ReadRegistersAsync(Cancel), owner.Memory, Cancel));
    }
}
