using VmMigration.Engine.Hosts;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Functional.Tests.Migration;

/// <summary>
/// Migrations on machines that lack something. What becomes of large pages without them, and of poison, is in
/// <see cref="LargePageMigrationTests"/> and <see cref="PoisonMigrationTests"/>.
/// </summary>
public class QemuFallbackTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string, WriteTraceMechanism, string> Lacking => new()
    {
        { "PAGEMAP_SCAN", WriteTraceMechanism.SyncWriteProtect, "PAGEMAP_SCAN" },
        { "WP_ASYNC", WriteTraceMechanism.SyncWriteProtect, "asynchronous" },
        { "kernel-mode faults", WriteTraceMechanism.AsyncWriteProtect, "root" },
    };

    [Theory]
    [MemberData(nameof(Lacking))]
    public async Task Whatever_is_lacking_to_trace_writes_the_memory_arrives_whole_and_the_result_says_which_way_was_taken(
        string lacking, WriteTraceMechanism way, string why)
    {
        KernelFeatures all = KernelFeatures.Probe();
        KernelFeatures features = lacking switch
        {
            "PAGEMAP_SCAN" => all with { PagemapScan = false },
            "WP_ASYNC" => all with { WriteProtectAsync = false },
            _ => all with { KernelModeFaults = false },
        };
        MigrationResult result = await MigrateAsync(
            features, paused: false, new() { VerifyMemory = true, DowntimeLimit = TimeSpan.FromSeconds(0.3) });

        Assert.True(result.MemoryVerified);
        Assert.Equal(way, result.WriteTraceMechanism);
        Assert.Contains(result.Fallbacks, line => line.Contains(why, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_the_right_to_trace_the_process_qemu_moves_the_memory_and_the_result_says_so()
    {
        KernelFeatures features =
            KernelFeatures.Probe() with { Ptrace = false, KernelModeFaults = false, Mount = false, ProcessMadvise = false };

        // A guest that stands still: under TCG QEMU 7.2 loses writes of one that runs.
        MigrationResult result = await MigrateAsync(features, paused: true, new() { VerifyMemory = true });

        Assert.True(result.MemoryVerified);
        Assert.Equal(WriteTraceMechanism.QemuDirtyLog, result.WriteTraceMechanism);
        Assert.Contains(result.Fallbacks, line => line.Contains("own migration", StringComparison.Ordinal)
            && line.Contains("CAP_SYS_PTRACE", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Where_the_destination_cannot_wait_for_pages_a_migration_that_may_do_without_does_and_says_so()
    {
        KernelFeatures features = KernelFeatures.Probe() with { KernelModeFaults = false };
        MigrationResult result = await MigrateAsync(
            features, paused: false, new() { VerifyMemory = true, Postcopy = PostcopyPolicy.WhenNotConverging });

        Assert.True(result.MemoryVerified);
        Assert.Null(result.Postcopy);
        Assert.Contains(result.Fallbacks, line => line.StartsWith("Post-copy could not have been used", StringComparison.Ordinal));
    }

    private static async Task<MigrationResult> MigrateAsync(KernelFeatures features, bool paused, MigrationOptions options)
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(
            Cancellation, destinationFeatures: features, sourceFeatures: features);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        Guid id = vm.Specification.Id;
        if (paused) await hosts.Source.PauseVmAsync(id, Cancellation);
        MigrationStatus started = await MigrationBroker.StartAsync(hosts.Source, id, hosts.Destination, options, Cancellation);
        MigrationStatus ended = await hosts.WaitAsync(started.Id, Cancellation);
        Assert.True(ended.State == MigrationState.Completed, $"{ended.ErrorReason}: {ended.ErrorMessage}");
        if (paused) await hosts.Destination.ResumeVmAsync(id, Cancellation);
        await QemuHostPair.AssertTicksAsync(hosts.Destination, id, Cancellation);
        return ended.Result!;
    }
}
