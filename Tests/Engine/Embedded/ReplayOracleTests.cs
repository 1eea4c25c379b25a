using VmMigration.Engine.Hypervisors.Embedded;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

public sealed class ReplayOracleTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(4_194_303)]
    [InlineData(8_388_607)]
    public async Task One_flipped_bit_anywhere_is_found_with_its_place_and_values(long offset)
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.HotSetWriter));
        await vm.RunToAsync(1);
        await vm.PauseAsync(Cancelled);
        byte[] one = new byte[1];
        vm.Memory.TryRead(offset, one);
        byte right = one[0];
        vm.Memory.Write(offset, [(byte)(right ^ 0x10)]);
        Assert.Equal(
            new ReplayDifference { OffsetBytes = offset, Expected = right, Actual = (uint)right ^ 0x10 }, await vm.ReplayAsync());
        Assert.Equal(offset / 4096, (await vm.ReplayAsync())!.Page);
        vm.Memory.Write(offset, [right]);
        Assert.Null(await vm.ReplayAsync());
    }

    [Fact]
    public async Task A_wrong_register_is_found_with_its_name_and_values()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Checksum));
        await vm.RunToAsync(1000);
        await vm.PauseAsync(Cancelled);
        VcpuRegisters[] registers = [.. await vm.ReadRegistersAsync(Cancelled)];
        ulong right = registers[2].Checksum;
        registers[2].Checksum ^= 1;
        ReplayDifference? difference = ReplayOracle.FindDifference(vm.Specification.Embedded!, registers, vm.Memory, Cancelled);
        Assert.Equal(new() { Vcpu = 2, Register = "Checksum", Expected = right, Actual = right ^ 1 }, difference);
        Assert.Contains("vCPU 2: Checksum is 0x", difference!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lost_page_spreads_through_the_checksum_program_so_that_it_cannot_heal()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Checksum, 2 * MiB, vcpuCount: 1));
        await vm.RunToAsync(1_000_000);
        await vm.PauseAsync(Cancelled);
        vm.Memory.Write(77 * 4096, new byte[4096]);
        await vm.ResumeAsync(Cancelled);

        // 262,144 words are overwritten many times over, the lost ones too.
        await vm.RunToAsync(vm.ReadSteps()[0] + 10_000_000);
        await vm.PauseAsync(Cancelled);
        Assert.Equal("Checksum", (await vm.ReplayAsync())?.Register);
    }

    [Fact]
    public async Task A_replay_stops_when_it_is_cancelled()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Checksum));
        await vm.PauseAsync(Cancelled);
        VcpuRegisters[] registers = [.. await vm.ReadRegistersAsync(Cancelled)];
        registers[0].Steps = long.MaxValue;
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(20));
        Assert.ThrowsAny<OperationCanceledException>(
            () => ReplayOracle.FindDifference(vm.Specification.Embedded!, registers, vm.Memory, cancel.Token));
    }
}
