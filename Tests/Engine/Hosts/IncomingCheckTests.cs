using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

public sealed class IncomingCheckTests : IDisposable
{
    private readonly ScratchDirectory scratch = new();
    private readonly ScriptedHypervisor scripted = new();
    private MachineMemory memory = new(8L << 30, 4L << 30);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => scratch.Dispose();

    [Fact]
    public async Task A_vm_that_can_arrive_gets_information_only()
    {
        IReadOnlyList<PreflightFinding> findings = await CheckAsync(SampleVms.Embedded());

        PreflightFinding way = Assert.Single(findings);
        Assert.Equal((PreflightSeverity.Information, "Way", null), (way.Severity, way.Check, way.RecommendedAction));
        Assert.Contains("4 MiB", way.Message, StringComparison.Ordinal);
        Assert.Contains("50 ms", way.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_way_says_that_the_hypervisor_moves_the_memory()
    {
        VmSpecification vm = SampleVms.Qemu() with { Qemu = new QemuGuest() };

        PreflightFinding way = Assert.Single(await CheckAsync(vm, StateContents.DevicesAndMemory));

        Assert.Contains("hypervisor's own migration", way.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(PostcopyPolicy.AfterFirstPass, PreflightSeverity.Error)]
    [InlineData(PostcopyPolicy.WhenNotConverging, PreflightSeverity.Warning)]
    public async Task Post_copy_that_the_host_cannot_do_is_an_error_where_it_is_wanted_and_a_warning_where_it_is_the_way_out(
        PostcopyPolicy policy, PreflightSeverity severity)
    {
        scripted.PostcopyObstacle = "It may not.";
        IncomingRequest request = SampleVms.Incoming(SampleVms.Qemu() with { Qemu = new QemuGuest() }, StateContents.Devices);
        request = request with { Options = request.Options with { Postcopy = policy } };

        IReadOnlyList<PreflightFinding> findings = await Check(new VmRegistry()).RunAsync(request, Cancel);

        PreflightFinding found = Assert.Single(findings, finding => finding.Check == "DestinationPostcopy");
        Assert.Equal(severity, found.Severity);
        Assert.Contains("It may not.", found.Message, StringComparison.Ordinal);
        Assert.NotNull(found.RecommendedAction);
    }

    [Fact]
    public async Task Large_pages_that_the_host_cannot_give_are_a_warning_with_the_reason()
    {
        scripted.LargePageObstacle = "It has none.";
        VmSpecification vm = SampleVms.Qemu() with { Backing = MemoryBacking.TransparentHugePages, Qemu = new QemuGuest() };

        PreflightFinding warning = Assert.Single(await CheckAsync(vm), finding => finding.Check == "DestinationLargePages");

        Assert.Equal(PreflightSeverity.Warning, warning.Severity);
        Assert.Contains("It has none.", warning.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Large_pages_need_no_room_in_the_directory_for_small_ones()
    {
        memory = new(1L << 60, 1L << 60);
        VmSpecification large =
            SampleVms.Qemu(memoryBytes: 1L << 50) with { Backing = MemoryBacking.TransparentHugePages, Qemu = new QemuGuest() };

        Assert.DoesNotContain(await CheckAsync(large), finding => finding.Check == "DestinationRamDirectory");
        Assert.Contains(
            await CheckAsync(large with { Backing = MemoryBacking.BasePages }), finding => finding.Check == "DestinationRamDirectory");
    }

    [Theory]
    [InlineData(MemoryBacking.HugeTlb, false)]
    [InlineData(MemoryBacking.TransparentHugePages, true)]
    public async Task Reserved_pages_need_none_of_the_memory_that_is_available(MemoryBacking backing, bool isError)
    {
        memory = new(2L << 30, 100 << 20);
        VmSpecification vm = SampleVms.Qemu(memoryBytes: 1 << 30) with { Backing = backing, Qemu = new QemuGuest() };

        Assert.Equal(isError, (await CheckAsync(vm)).Any(finding => finding.Check == "DestinationMemory"));
    }

    [Theory]
    [InlineData((MemoryBacking)0)]
    [InlineData((MemoryBacking)9)]
    [InlineData(MemoryBacking.HugeTlb)]
    public async Task Pages_that_an_embedded_vm_cannot_be_on_are_an_error(MemoryBacking backing)
    {
        PreflightFinding error = await CheckForErrorAsync(SampleVms.Embedded() with { Backing = backing }, "Specification");
        Assert.Contains(backing.ToString(), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Too_little_memory_is_an_error_with_the_numbers()
    {
        memory = new(2L << 30, 100 << 20);

        PreflightFinding error = await CheckForErrorAsync(SampleVms.Embedded(memoryBytes: 1 << 30), "DestinationMemory");

        Assert.Contains("1,024 MiB", error.Message, StringComparison.Ordinal);
        Assert.Contains("100 MiB available of 2,048 MiB", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Memory_that_arriving_vms_will_take_is_a_warning()
    {
        VmSpecification arriving = SampleVms.Embedded("arriving", 3L << 30);
        VmRegistry registry = await RegistryWithAsync(arriving, VmOwnership.Incoming);

        IReadOnlyList<PreflightFinding> findings = await Check(registry).RunAsync(
            SampleVms.Incoming(SampleVms.Embedded("next", 2L << 30)), Cancel);

        PreflightFinding warning = Assert.Single(findings, finding => finding.Severity == PreflightSeverity.Warning);
        Assert.Equal("DestinationMemory", warning.Check);
        Assert.Contains("3,072 MiB", warning.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(findings, finding => finding.Severity == PreflightSeverity.Error);
    }

    [Fact]
    public async Task A_taken_name_and_a_taken_id_are_errors()
    {
        VmSpecification present = SampleVms.Embedded("present");
        VmRegistry registry = await RegistryWithAsync(present, VmOwnership.Owned);

        foreach (VmSpecification vm in new[] { SampleVms.Embedded("PRESENT"), present with { Name = "renamed" } })
        {
            PreflightFinding error = Assert.Single(
                await Check(registry).RunAsync(SampleVms.Incoming(vm), Cancel), finding => finding.Severity == PreflightSeverity.Error);
            Assert.Equal("DestinationName", error.Check);
            Assert.Contains("'present'", error.Message, StringComparison.Ordinal);
            Assert.NotNull(error.RecommendedAction);
        }
    }

    [Fact]
    public async Task A_hypervisor_that_cannot_run_here_is_an_error_with_its_reason()
    {
        scripted.Obstacle = "qemu-system-x86_64 is not installed.";

        PreflightFinding error = await CheckForErrorAsync(SampleVms.Qemu() with { Qemu = new() }, "DestinationHypervisor");

        Assert.Contains("qemu-system-x86_64 is not installed.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_missing_file_is_an_error_and_present_ones_are_not()
    {
        await File.WriteAllTextAsync(scratch.File("kernel"), "kernel", Cancel);
        VmSpecification vm = SampleVms.Qemu() with
        {
            Qemu = new QemuGuest
            {
                KernelPath = scratch.File("kernel"),
                InitrdPath = scratch.File("initrd"),
                Disks = [new QemuDisk(scratch.File("disk.img"))],
            },
        };

        PreflightFinding[] errors = [.. (await CheckAsync(vm)).Where(finding => finding.Severity == PreflightSeverity.Error)];

        Assert.All(errors, error => Assert.Equal("DestinationFiles", error.Check));
        Assert.Collection(errors,
            error => Assert.Contains($"initramfs '{scratch.File("initrd")}'", error.Message, StringComparison.Ordinal),
            error => Assert.Contains($"disk '{scratch.File("disk.img")}'", error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_ram_file_system_that_is_too_small_is_an_error_with_the_numbers()
    {
        memory = new(long.MaxValue, long.MaxValue);
        long free = new DriveInfo(scratch.Path).AvailableFreeSpace;
        VmSpecification vm = SampleVms.Qemu(memoryBytes: (free + (1L << 40)) / (2 << 20) * (2 << 20)) with { Qemu = new() };

        PreflightFinding error = await CheckForErrorAsync(vm, "DestinationRamDirectory");

        Assert.Contains(scratch.Path, error.Message, StringComparison.Ordinal);
        Assert.Contains("MiB are free", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_specification_that_no_host_could_run_is_one_error()
    {
        PreflightFinding error = Assert.Single(await CheckAsync(SampleVms.Embedded("no/name")));
        Assert.Equal((PreflightSeverity.Error, "Specification"), (error.Severity, error.Check));
    }

    private async Task<PreflightFinding> CheckForErrorAsync(VmSpecification vm, string check)
    {
        PreflightFinding error = Assert.Single(await CheckAsync(vm), finding => finding.Severity == PreflightSeverity.Error);
        Assert.Equal(check, error.Check);
        Assert.NotNull(error.RecommendedAction);
        return error;
    }

    private Task<IReadOnlyList<PreflightFinding>> CheckAsync(VmSpecification vm, StateContents contents = StateContents.Devices) =>
        Check(new VmRegistry()).RunAsync(SampleVms.Incoming(vm, contents), Cancel);

    private IncomingCheck Check(VmRegistry registry) =>
        new("there", scratch.Path, registry, new HypervisorSet([new EmbeddedHypervisor(), scripted]), () => memory);

    private static Task<VmRegistry> RegistryWithAsync(VmSpecification vm, VmOwnership ownership)
    {
        var registry = new VmRegistry();
        registry.Add(new VmSlot(vm, new VmSlotState { Ownership = ownership }, null!, Serilog.Core.Logger.None));
        return Task.FromResult(registry);
    }
}
