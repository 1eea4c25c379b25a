using System.Buffers.Binary;
using System.IO.Hashing;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

public sealed class DeviceStateTests
{
    private const int HeaderBytes = 20;

    private static readonly VmSpecification specification = Specification(GuestProgramKind.HotSetWriter, vcpuCount: 2);

    [Fact]
    public async Task A_state_is_laid_out_as_documented()
    {
        byte[] state = await SaveAsync();
        Assert.Equal(HeaderBytes + (2 * 32) + 4, state.Length);
        Assert.Equal("VMEMBREG"u8, state.AsSpan(0, 8));
        Assert.Equal(1, BinaryPrimitives.ReadInt16LittleEndian(state.AsSpan(8)));
        Assert.Equal(32, BinaryPrimitives.ReadInt16LittleEndian(state.AsSpan(10)));
        Assert.Equal(2, BinaryPrimitives.ReadInt32LittleEndian(state.AsSpan(12)));
        Assert.Equal((int)GuestProgramKind.HotSetWriter, BinaryPrimitives.ReadInt32LittleEndian(state.AsSpan(16)));
        Assert.Equal(Crc32.HashToUInt32(state.AsSpan(0, state.Length - 4)), BinaryPrimitives.ReadUInt32LittleEndian(state.AsSpan(^4..)));
    }

    [Fact]
    public async Task A_state_that_ends_early_or_late_is_refused_and_the_vm_stays_incoming()
    {
        byte[] state = await SaveAsync();
        await using EmbeddedVirtualMachine vm = await PrepareIncomingAsync(specification);
        for (int length = 0; length < state.Length; length++) await AssertRefusedAsync(vm, state[..length]);
        await AssertRefusedAsync(vm, [.. state, 0]);
        await vm.LoadStateAsync(new MemoryStream(state), Cancelled);
        Assert.Equal(VmState.Paused, await vm.GetStateAsync(Cancelled));
    }

    [Fact]
    public async Task Any_flipped_bit_is_refused()
    {
        byte[] state = await SaveAsync();
        await using EmbeddedVirtualMachine vm = await PrepareIncomingAsync(specification);
        for (int bit = 0; bit < state.Length * 8; bit++)
        {
            byte[] wrong = [.. state];
            wrong[bit / 8] ^= (byte)(1 << (bit % 8));
            await AssertRefusedAsync(vm, wrong);
        }
    }

    [Fact]
    public async Task Any_flipped_bit_is_refused_by_its_field_where_the_checksum_of_the_state_was_made_right_again()
    {
        byte[] state = await SaveAsync();
        await using EmbeddedVirtualMachine vm = await PrepareIncomingAsync(specification);
        for (int bit = 0; bit < (state.Length - 4) * 8; bit++)
        {
            byte[] wrong = [.. state];
            wrong[bit / 8] ^= (byte)(1 << (bit % 8));
            BinaryPrimitives.WriteUInt32LittleEndian(wrong.AsSpan(^4..), Crc32.HashToUInt32(wrong.AsSpan(0, wrong.Length - 4)));
            string message = await AssertRefusedAsync(vm, wrong);
            Assert.DoesNotContain("checksum is wrong", message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Another_version_is_refused_by_name()
    {
        byte[] state = await SaveAsync();
        state[8] = 2;
        await using EmbeddedVirtualMachine vm = await PrepareIncomingAsync(specification);
        var refused = await Assert.ThrowsAsync<MigrationException>(() => vm.LoadStateAsync(new MemoryStream(state), Cancelled));
        Assert.Equal(MigrationErrorReason.VersionMismatch, refused.Reason);
        Assert.Contains("version 2", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_state_of_another_guest_is_refused()
    {
        byte[] state = await SaveAsync();
        VmSpecification[] others =
        [
            specification with { VcpuCount = 3 },
            specification.With(guest => guest with { Program = GuestProgramKind.Checksum }),
            specification.With(guest => guest with { Seed = 7 }),
            specification.With(guest => guest with { HaltAfterSteps = 1 }),
        ];
        foreach (VmSpecification other in others)
        {
            await using EmbeddedVirtualMachine vm = await PrepareIncomingAsync(other);
            await AssertRefusedAsync(vm, state);
        }
    }

    [Fact]
    public async Task A_stream_without_end_is_read_no_further_than_one_byte_past_a_state()
    {
        using var endless = new EndlessStream();
        await using EmbeddedVirtualMachine vm = await PrepareIncomingAsync(specification);
        await Assert.ThrowsAsync<MigrationException>(() => vm.LoadStateAsync(endless, Cancelled));
        Assert.Equal(HeaderBytes + (2 * 32) + 4 + 1, endless.BytesRead);
    }

    [Fact]
    public async Task A_state_is_saved_only_from_a_paused_vm_and_loaded_only_into_an_incoming_one()
    {
        byte[] state = await SaveAsync();
        await using EmbeddedVirtualMachine running = await StartAsync(specification);
        await using EmbeddedVirtualMachine incoming = await PrepareIncomingAsync(specification);
        Func<Task>[] wrong =
        [
            () => running.SaveStateAsync(Stream.Null, StateContents.Devices, Cancelled),
            () => running.LoadStateAsync(new MemoryStream(state), Cancelled),
            () => running.ReadRegistersAsync(Cancelled),
            () => incoming.SaveStateAsync(Stream.Null, StateContents.Devices, Cancelled),
            () => incoming.PauseAsync(Cancelled),
            () => incoming.ResumeAsync(Cancelled),
            () => incoming.ShutdownAsync(TimeSpan.FromSeconds(1), Cancelled),
        ];
        foreach (Func<Task> call in wrong)
        {
            Assert.Equal(MigrationErrorReason.InvalidState, (await Assert.ThrowsAsync<MigrationException>(call)).Reason);
        }
    }

    [Fact]
    public async Task Memory_in_the_device_state_is_refused_on_both_sides()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(specification);
        await vm.PauseAsync(Cancelled);
        Func<Task>[] wrong =
        [
            () => vm.SaveStateAsync(Stream.Null, StateContents.DevicesAndMemory, Cancelled),
            () => new EmbeddedHypervisor().PrepareIncomingAsync(specification, StateContents.DevicesAndMemory, Cancelled),
        ];
        foreach (Func<Task> call in wrong)
        {
            var refused = await Assert.ThrowsAsync<MigrationException>(call);
            Assert.Equal(MigrationErrorReason.InvalidArgument, refused.Reason);
            Assert.Contains("no migration of its own", refused.Message, StringComparison.Ordinal);
        }
    }

    private static async Task<byte[]> SaveAsync()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(specification);
        await vm.RunToAsync(10);
        await vm.PauseAsync(Cancelled);
        var state = new MemoryStream();
        await vm.SaveStateAsync(state, StateContents.Devices, Cancelled);
        return state.ToArray();
    }

    private static async Task<string> AssertRefusedAsync(EmbeddedVirtualMachine vm, byte[] state)
    {
        var refused = await Assert.ThrowsAsync<MigrationException>(() => vm.LoadStateAsync(new MemoryStream(state), Cancelled));
        Assert.True(refused.Reason is MigrationErrorReason.ProtocolViolation or MigrationErrorReason.VersionMismatch);
        Assert.Equal(VmState.Incoming, await vm.GetStateAsync(Cancelled));
        return refused.Message;
    }

    private sealed class EndlessStream : Stream
    {
        public long BytesRead { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            BytesRead += count;
            return count;
        }

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
