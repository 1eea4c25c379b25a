using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Hypervisors.Qemu;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

public sealed class SpecificationTests
{
    private static readonly VmSpecification good = Specification(GuestProgramKind.HotSetWriter, 4 * MiB, vcpuCount: 2);

    public static TheoryData<string, VmSpecification> Wrong => new()
    {
        { "no memory", good with { MemoryBytes = 0 } },
        { "negative memory", good with { MemoryBytes = -2 * MiB } },
        { "odd memory", good with { MemoryBytes = 3 * MiB } },
        { "no vCPU", good with { VcpuCount = 0 } },
        { "too many vCPUs", good with { VcpuCount = 65 } },
        { "no guest", good with { Embedded = null } },
        { "two guests", good with { Qemu = new QemuGuest() } },
        { "invalid program", good.With(guest => guest with { Program = GuestProgramKind.Invalid }) },
        { "unknown program", good.With(guest => guest with { Program = (GuestProgramKind)99 }) },
        { "working set beyond memory", good.With(guest => guest with { WorkingSetBytes = (4 * MiB) + 4096 }) },
        { "working set below a page per vCPU", good.With(guest => guest with { WorkingSetBytes = 4096 }) },
        { "broken page in the working set", good.With(guest => guest with { WorkingSetBytes = 10_000 }) },
        { "negative working set", good.With(guest => guest with { WorkingSetBytes = -4096 }) },
        { "negative rate", good.With(guest => guest with { StepsPerSecond = -1 }) },
        { "negative end", good.With(guest => guest with { HaltAfterSteps = -1 }) },
        { "granularity below a page", good.With(guest => guest with { WriteTraceGranularityBytes = 2048 }) },
        { "granularity no power of two", good.With(guest => guest with { WriteTraceGranularityBytes = 3 * 4096 }) },
        { "granularity beyond memory", good.With(guest => guest with { WriteTraceGranularityBytes = 8 << 20 }) },
        { "negative granularity", good.With(guest => guest with { WriteTraceGranularityBytes = int.MinValue }) },
        { "negative arming vCPUs", good.With(guest => guest with { TraceArmingVcpus = -1 }) },
        { "more arming vCPUs than there are", good.With(guest => guest with { TraceArmingVcpus = 3 }) },
        { "negative fault time", good.With(guest => guest with { TraceFaultTime = TimeSpan.FromTicks(-1) }) },
        { "fault time above a millisecond", good.With(guest => guest with { TraceFaultTime = TimeSpan.FromMilliseconds(1.1) }) },
    };

    [Theory]
    [MemberData(nameof(Wrong), DisableDiscoveryEnumeration = true)]
    public async Task A_specification_that_is_wrong_is_refused_in_both_roles(string what, VmSpecification specification)
    {
        var hypervisor = new EmbeddedHypervisor();
        var start = await Assert.ThrowsAsync<MigrationException>(() => hypervisor.StartAsync(specification, Cancelled));
        var incoming = await Assert.ThrowsAsync<MigrationException>(
            () => hypervisor.PrepareIncomingAsync(specification, StateContents.Devices, Cancelled));
        Assert.Equal((what, MigrationErrorReason.InvalidArgument), (what, start.Reason));
        Assert.Equal((what, MigrationErrorReason.InvalidArgument), (what, incoming.Reason));
        Assert.NotNull(start.RecommendedAction);
    }

    [Fact]
    public async Task The_limits_themselves_are_accepted()
    {
        VmSpecification[] limits =
        [
            (good with { MemoryBytes = 2 * MiB, VcpuCount = 64 }).HaltingAfter(10_000),
            good.With(guest => guest with { WorkingSetBytes = 2 * 4096 }),
            good.With(guest => guest with { TraceArmingVcpus = 2, TraceFaultTime = TimeSpan.FromMilliseconds(1) }),
            good.With(guest => guest with { WorkingSetBytes = 4 * MiB, WriteTraceGranularityBytes = 4 << 20 }),
        ];
        foreach (VmSpecification specification in limits)
        {
            await using EmbeddedVirtualMachine vm = await StartAsync(specification);
            await vm.PauseAsync(Cancelled);
            Assert.Null(await vm.ReplayAsync());
        }
    }

    [Fact]
    public async Task More_memory_than_the_machine_has_left_is_refused_before_anything_is_made()
    {
        var refused = await Assert.ThrowsAsync<MigrationException>(
            () => new EmbeddedHypervisor().StartAsync(good with { MemoryBytes = 1L << 50 }, Cancelled));
        Assert.Equal(MigrationErrorReason.OutOfSpace, refused.Reason);
    }

    [Fact]
    public void Available_memory_is_read_from_the_kernel()
    {
        Assert.InRange(AvailableMemory.ReadBytes(), MiB, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        Assert.Equal(1234 * 1024, AvailableMemory.ParseAvailable(["MemTotal:  99 kB", "MemAvailable:    1234 kB", "Buffers: 1 kB"]));
        var unknown = Assert.Throws<MigrationException>(() => AvailableMemory.ParseAvailable(["MemTotal: 1 kB"]));
        Assert.Equal(MigrationErrorReason.SystemCallFailed, unknown.Reason);
    }
}
