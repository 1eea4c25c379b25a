using CsCheck;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Memory;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

public sealed class EmbeddedMemoryTests
{
    [Fact]
    public void New_memory_is_one_hole_of_zeros_aligned_to_2_MiB()
    {
        using var memory = new EmbeddedMemory(6 * MiB);
        Assert.False(memory.TryFindData(0, out _, out _));
        Assert.False(memory.ReadAll().AsSpan().ContainsAnyExcept((byte)0));
        unsafe
        {
            Assert.Equal(0, (nint)memory.Start % (nint)(2 * MiB));
        }
    }

    [Fact]
    public void What_was_written_is_read_and_lies_in_a_data_extent_whatever_was_written_where() =>
        Gen.Select(Gen.Long[0, (6 * MiB) - 1], Gen.Int[1, 3 << 19], Gen.Bool).Array[0, 6].Sample(writes =>
        {
            using var memory = new EmbeddedMemory(6 * MiB);
            byte[] naive = new byte[6 * MiB];
            foreach ((long offset, int wanted, bool window) in writes)
            {
                byte[] data = new byte[Math.Min(wanted, naive.Length - offset)];
                new Random(wanted).NextBytes(data);
                data.CopyTo(naive, offset);
                if (window) data.CopyTo(memory.ReceiveWindow(offset, data.Length));
                else memory.Write(offset, data);
            }

            Assert.True(naive.AsSpan().SequenceEqual(memory.ReadAll()));
            long covered = 0;
            for (long from = 0; memory.TryFindData(from, out long start, out long end); from = covered = end)
            {
                Assert.True(start >= from && end > start && start % 4096 == 0 && end % 4096 == 0);
                Assert.False(naive.AsSpan((int)covered..(int)start).ContainsAnyExcept((byte)0));
            }

            Assert.False(naive.AsSpan((int)covered..).ContainsAnyExcept((byte)0));
        }, iter: 60);

    [Fact]
    public async Task A_program_that_writes_makes_its_working_set_data_and_leaves_the_rest_a_hole()
    {
        VmSpecification specification = Specification(GuestProgramKind.Checksum).With(guest => guest with { WorkingSetBytes = 3 * MiB });
        await using EmbeddedVirtualMachine vm = await StartAsync(specification);
        Assert.True(vm.Memory.TryFindData(0, out long start, out long end));
        Assert.Equal((0, 3 * MiB), (start, end));
        Assert.False(vm.Memory.TryFindData(end, out _, out _));
        Assert.True(vm.Memory.TryFindData(MiB + 1, out start, out end));
        Assert.Equal((MiB, 3 * MiB), (start, end));
        vm.Memory.Write(7 * MiB, [1]);
        Assert.True(vm.Memory.TryFindData(3 * MiB, out start, out end));
        Assert.Equal((6 * MiB, 8 * MiB), (start, end));
    }

    [Fact]
    public async Task An_idle_or_incoming_vm_is_one_hole()
    {
        await using EmbeddedVirtualMachine idle = await StartAsync(Specification(GuestProgramKind.Idle));
        await using EmbeddedVirtualMachine incoming = await PrepareIncomingAsync(Specification(GuestProgramKind.Checksum));
        Assert.False(idle.Memory.TryFindData(0, out _, out _));
        Assert.False(incoming.Memory.TryFindData(0, out _, out _));
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(4 << 20, 1)]
    [InlineData((4 << 20) - 1, 2)]
    [InlineData(long.MaxValue, 16)]
    public void Ranges_outside_are_refused(long offset, int lengthBytes)
    {
        using var memory = new EmbeddedMemory(4 * MiB);
        Action[] calls =
        [
            () => memory.TryRead(offset, new byte[lengthBytes]),
            () => memory.Write(offset, new byte[lengthBytes]),
            () => memory.ReceiveWindow(offset, lengthBytes),
        ];
        foreach (Action call in calls)
        {
            Assert.Equal(MigrationErrorReason.InvalidArgument, Assert.Throws<MigrationException>(call).Reason);
        }
    }

    [Fact]
    public void Memory_that_was_disposed_while_it_is_read_stays_until_the_reader_is_out()
    {
        var memory = new EmbeddedMemory(4 * MiB);
        GuestMemory contract = memory;
        contract.Dispose();
        Assert.Equal(MigrationErrorReason.VmExited, Assert.Throws<MigrationException>(() => memory.TryRead(0, new byte[1])).Reason);
        contract.Dispose();
    }
}
