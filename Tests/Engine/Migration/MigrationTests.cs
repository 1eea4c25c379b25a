using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

public class MigrationTests
{
    private const long MiB = 1 << 20;

    [Theory]
    [InlineData(GuestProgramKind.Idle)]
    [InlineData(GuestProgramKind.SequentialWriter)]
    [InlineData(GuestProgramKind.HotSetWriter)]
    [InlineData(GuestProgramKind.Checksum)]
    public async Task A_vm_that_writes_all_the_time_arrives_running_with_its_memory_verified(GuestProgramKind program)
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        var guest = new EmbeddedGuest { Program = program, WorkingSetBytes = 48 * MiB };
        await using MigrationPair pair = await MigrationPair.CreateAsync(
            guest, 64 * MiB, 2, new() { VerifyMemory = true }, null, cancellation);

        (MigrationStatus status, MigrationOutcome outcome) = await pair.RunAsync(cancellation);

        Assert.True(status.State == MigrationState.Completed, status.ErrorMessage);
        Assert.Equal(MigrationOutcome.DestinationOwns, outcome);
        MigrationResult result = status.Result!;
        Assert.True(result.MemoryVerified);
        Assert.Equal(VmState.Running, await pair.Destination.GetStateAsync(cancellation));
        Assert.True(pair.Source.Exited.IsCompleted);
        Assert.Equal(64 * MiB / 4096, result.PassDetails[0].PagesData + result.PagesZero - result.PassDetails.Skip(1).Sum(pass => pass.PagesZero));
        Assert.True(result.Downtime > TimeSpan.Zero && result.Downtime < result.TotalTime);
    }
}
