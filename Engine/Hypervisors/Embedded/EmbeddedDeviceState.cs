using System.Buffers.Binary;
using System.IO.Hashing;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// The device state of an embedded VM as bytes: all integers little-endian, no padding.
/// <code>
/// offset  bytes
///      0      8  magic, "VMEMBREG" in ASCII
///      8      2  version, 1
///     10      2  bytes of registers per vCPU, 32
///     12      4  number of vCPUs
///     16      4  guest program (GuestProgramKind)
///     20   32×n  per vCPU: steps, random state, checksum, cursor, 8 bytes each
///  20+32n     4  CRC-32 (IEEE) of everything before
/// </code>
/// </summary>
internal static class EmbeddedDeviceState
{
    private const ulong Magic = 0x47455242_4D454D56;
    private const ushort Version = 1;
    private const ushort RegisterBytes = 32;
    private const int HeaderBytes = 20;
    private const int CrcBytes = 4;

    /// <summary>Encodes the registers, one element per vCPU.</summary>
    public static byte[] Encode(GuestProgramKind program, ReadOnlySpan<VcpuRegisters> registers)
    {
        byte[] state = new byte[LengthBytes(registers.Length)];
        Span<byte> rest = state;
        BinaryPrimitives.WriteUInt64LittleEndian(rest, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(rest[8..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(rest[10..], RegisterBytes);
        BinaryPrimitives.WriteInt32LittleEndian(rest[12..], registers.Length);
        BinaryPrimitives.WriteInt32LittleEndian(rest[16..], (int)program);
        rest = rest[HeaderBytes..];
        foreach (VcpuRegisters vcpu in registers)
        {
            BinaryPrimitives.WriteInt64LittleEndian(rest, vcpu.Steps);
            BinaryPrimitives.WriteUInt64LittleEndian(rest[8..], vcpu.RandomState);
            BinaryPrimitives.WriteUInt64LittleEndian(rest[16..], vcpu.Checksum);
            BinaryPrimitives.WriteInt64LittleEndian(rest[24..], vcpu.Cursor);
            rest = rest[RegisterBytes..];
        }

        BinaryPrimitives.WriteUInt32LittleEndian(rest, Crc32.HashToUInt32(state.AsSpan(0, state.Length - CrcBytes)));
        return state;
    }

    /// <summary>
    /// Reads a state to the end of the stream and checks every field against the VM it is for. Reads at most one byte more than a state for
    /// that VM has, whatever the stream holds.
    /// </summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.VersionMismatch"/> for another version, else <see cref="MigrationErrorReason.ProtocolViolation"/>.
    /// </exception>
    public static async Task<VcpuRegisters[]> DecodeAsync(
        Stream source, VmSpecification specification, CancellationToken cancellationToken)
    {
        int expected = LengthBytes(specification.VcpuCount);
        byte[] state = new byte[expected + 1];
        int length = await source.ReadAtLeastAsync(state, state.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        return Decode(state.AsSpan(0, length), expected, specification);
    }

    private static VcpuRegisters[] Decode(ReadOnlySpan<byte> state, int expected, VmSpecification specification)
    {
        EmbeddedGuest guest = specification.Embedded!;
        if (state.Length < HeaderBytes) throw Refused(specification, $"it ends after {state.Length} bytes, inside its header");
        if (BinaryPrimitives.ReadUInt64LittleEndian(state) != Magic) throw Refused(specification, "it does not begin as one");
        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(state[8..]);
        if (version != Version)
        {
            throw new MigrationException(
                MigrationErrorReason.VersionMismatch,
                $"The device state for '{specification.Name}' has version {version}; this engine reads version {Version}.",
                "Run the same version of the engine on both hosts.");
        }

        ushort registerBytes = BinaryPrimitives.ReadUInt16LittleEndian(state[10..]);
        if (registerBytes != RegisterBytes) throw Refused(specification, $"it has {registerBytes} bytes of registers per vCPU");
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(state[12..]);
        if (count != specification.VcpuCount) throw Refused(specification, $"it has {count} vCPUs, the VM {specification.VcpuCount}");
        int program = BinaryPrimitives.ReadInt32LittleEndian(state[16..]);
        if (program != (int)guest.Program) throw Refused(specification, $"it is of guest program {program}, the VM runs {guest.Program}");
        if (state.Length < expected) throw Refused(specification, $"it ends after {state.Length} of {expected} bytes");
        if (state.Length > expected) throw Refused(specification, $"it goes on after its {expected} bytes");
        uint crc = BinaryPrimitives.ReadUInt32LittleEndian(state[^CrcBytes..]);
        if (crc != Crc32.HashToUInt32(state[..^CrcBytes])) throw Refused(specification, "its checksum is wrong");

        var registers = new VcpuRegisters[specification.VcpuCount];
        for (int vcpu = 0; vcpu < registers.Length; vcpu++)
        {
            ReadOnlySpan<byte> bytes = state.Slice(HeaderBytes + (vcpu * RegisterBytes), RegisterBytes);
            registers[vcpu] = new(
                BinaryPrimitives.ReadInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]),
                BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]));
            Check(registers[vcpu], vcpu, specification, guest);
        }

        return registers;
    }

    /// <summary>All registers but a checksum follow from the number of steps, so each is held against what it must be.</summary>
    private static unsafe void Check(VcpuRegisters registers, int vcpu, VmSpecification specification, EmbeddedGuest guest)
    {
        if (registers.Steps < 0) throw Refused(specification, $"vCPU {vcpu} has run {registers.Steps} steps");
        if (guest.HaltAfterSteps != 0 && registers.Steps > guest.HaltAfterSteps)
        {
            throw Refused(specification, $"vCPU {vcpu} has run {registers.Steps} steps and halts after {guest.HaltAfterSteps}");
        }

        GuestProgram program = GuestProgram.Of(guest.Program);
        GuestShare share = GuestShare.Of(null, guest.WorkingSetIn(specification.MemoryBytes), vcpu, specification.VcpuCount);
        VcpuRegisters due = program.RegistersAfter(GuestProgram.InitialRegisters(guest.Seed, vcpu), share, registers.Steps);
        if (program.KeepsChecksum) due.Checksum = registers.Checksum;
        if (due != registers) throw Refused(specification, $"vCPU {vcpu} cannot have these registers after {registers.Steps} steps");
    }

    private static int LengthBytes(int vcpuCount) => HeaderBytes + (vcpuCount * RegisterBytes) + CrcBytes;

    private static MigrationException Refused(VmSpecification specification, string fault) => new(
        MigrationErrorReason.ProtocolViolation, $"The device state for '{specification.Name}' is refused: {fault}.",
        "Check that both hosts run the same version of the engine, and start the migration again.");
}
