using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Memory;
using Xunit;

namespace VmMigration.Engine.Tests.Embedded;

/// <summary>Makes embedded VMs for tests, and judges them.</summary>
internal static class EmbeddedVms
{
    public const long MiB = 1 << 20;

    public static readonly GuestProgramKind[] Programs =
        [GuestProgramKind.Idle, GuestProgramKind.SequentialWriter, GuestProgramKind.HotSetWriter, GuestProgramKind.Checksum];

    public static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public static VmSpecification Specification(GuestProgramKind program, long memoryBytes = 8 * MiB, int vcpuCount = 3) =>
        new() { Name = "vm", MemoryBytes = memoryBytes, VcpuCount = vcpuCount, Embedded = new() { Program = program, Seed = 42 } };

    public static VmSpecification With(this VmSpecification specification, Func<EmbeddedGuest, EmbeddedGuest> change) =>
        specification with { Embedded = change(specification.Embedded!) };

    /// <summary>Lets each vCPU halt after so many steps; an idle guest, which else sleeps between ticks, hurries there.</summary>
    public static VmSpecification HaltingAfter(this VmSpecification specification, long steps) => specification.With(
        guest => guest with { HaltAfterSteps = steps, StepsPerSecond = guest.Program == GuestProgramKind.Idle ? 1_000_000_000 : 0 });

    public static async Task<EmbeddedVirtualMachine> StartAsync(VmSpecification specification) =>
        (EmbeddedVirtualMachine)await new EmbeddedHypervisor().StartAsync(specification, Cancelled);

    public static async Task<EmbeddedVirtualMachine> PrepareIncomingAsync(VmSpecification specification) =>
        (EmbeddedVirtualMachine)await new EmbeddedHypervisor().PrepareIncomingAsync(specification, StateContents.Devices, Cancelled);

    /// <summary>A paused VM with the registers of one whose vCPUs have run so many steps, and empty memory.</summary>
    public static async Task<EmbeddedVirtualMachine> MakePausedAsync(VmSpecification specification, long steps = 0)
    {
        EmbeddedVirtualMachine vm = await PrepareIncomingAsync(specification);
        await vm.LoadRegistersAsync(steps);
        return vm;
    }

    /// <summary>Loads the registers of vCPUs that have run so many steps into an incoming VM.</summary>
    public static async Task LoadRegistersAsync(this EmbeddedVirtualMachine vm, long steps)
    {
        EmbeddedGuest guest = vm.Specification.Embedded!;
        int vcpus = vm.Specification.VcpuCount;
        VcpuRegisters[] registers = [.. Enumerable.Range(0, vcpus).Select(vcpu => GuestProgram.Of(guest.Program).RegistersAfter(
            GuestProgram.InitialRegisters(guest.Seed, vcpu), ShareOf(guest, vm.Memory.SizeBytes, vcpu, vcpus), steps))];
        await vm.LoadStateAsync(new MemoryStream(EmbeddedDeviceState.Encode(guest.Program, registers)), Cancelled);
    }

    /// <summary>Waits until every vCPU has run at least so many steps.</summary>
    public static async Task RunToAsync(this EmbeddedVirtualMachine vm, long steps)
    {
        while (vm.ReadSteps().Min() < steps) await Task.Delay(1, Cancelled);
    }

    public static byte[] ReadAll(this GuestMemory memory)
    {
        byte[] bytes = new byte[memory.SizeBytes];
        Assert.Equal(bytes.Length, memory.TryRead(0, bytes));
        return bytes;
    }

    private static unsafe GuestShare ShareOf(EmbeddedGuest guest, long memoryBytes, int vcpu, int vcpuCount) =>
        GuestShare.Of(null, guest.WorkingSetIn(memoryBytes), vcpu, vcpuCount);

    /// <summary>Null where the VM, which must be paused, holds what its program must have left.</summary>
    public static async Task<ReplayDifference?> ReplayAsync(this EmbeddedVirtualMachine vm) =>
        ReplayOracle.FindDifference(vm.Specification.Embedded!, await vm.ReadRegistersAsync(Cancelled), vm.Memory, Cancelled);
}
