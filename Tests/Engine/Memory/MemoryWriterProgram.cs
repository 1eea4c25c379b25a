using System.Buffers.Binary;
using System.Text;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>
/// A program of its own, for a machine or guest without a compiler: it maps a file, or memory of its own where it names none, and stores a
/// counter to it over and over, in order or at random. After every so many stores it prints a dot.
/// </summary>
internal sealed record MemoryWriterProgram
{
    private const int HeaderBytes = 120;
    private const int PathOffset = 64;

    // x86-64: open, mmap, then per store a slot (the next one, or xorshift32 scaled to the slots) and
    // mov [base + slot * stride + 8 * (count mod 512)], ++count. Its parameters follow behind it.
    private const string Code =
        "488d2df9000000b802000000488d7d40be0200000031d20f054989c031ff4885c0790749c7c0ffffffffb809000000488b7500ba0300000041ba0100"
        + "00004d85c0790641ba220000004531c90f054889c34c8b65084c8b6d104c8b75184c8b7d204531c041b9b979379e4531d24c89f94d85f6742b4489c8"
        + "c1e00d4131c14489c8c1e8114131c14489c8c1e0054131c14489c8490fafc448c1e8204989c2eb0b49ffc24d39e272034531d249ffc04c89d0490faf"
        + "c54c89c781e7ff010000488d04f84c89040348ffc975a5b801000000bf01000000488d7528ba010000004150415141520f05415a415941584c89f9e9"
        + "7cffffff66662e0f1f84000000000090";

    /// <summary>File to map; empty maps private memory.</summary>
    public string Path { get; init; } = "";

    /// <summary>Bytes to map.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>Distance of two places that are stored to, in bytes; at least a page.</summary>
    public long StrideBytes { get; init; } = 4096;

    /// <summary>Whether the places come at random instead of one after the other.</summary>
    public bool AtRandom { get; init; }

    /// <summary>Stores per dot.</summary>
    public long StoresPerDot { get; init; } = 1 << 20;

    /// <summary>The program as an ELF file (elf(5)).</summary>
    public byte[] Build()
    {
        byte[] code = Convert.FromHexString(Code);
        byte[] path = Encoding.UTF8.GetBytes(Path);
        var file = new byte[HeaderBytes + code.Length + PathOffset + path.Length + 1];
        const long address = 0x400000;
        new byte[] { 0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }.CopyTo(file, 0);
        Write16(16, 2);
        Write16(18, 62);
        Write32(20, 1);
        Write64(24, address + HeaderBytes);
        Write64(32, 64);
        Write16(52, 64);
        Write16(54, 56);
        Write16(56, 1);
        Write32(64, 1);
        Write32(68, 5);
        Write64(80, address);
        Write64(88, address);
        Write64(96, file.Length);
        Write64(104, file.Length);
        Write64(112, 4096);
        code.CopyTo(file, HeaderBytes);
        int parameters = HeaderBytes + code.Length;
        Write64(parameters, SizeBytes);
        Write64(parameters + 8, SizeBytes / StrideBytes);
        Write64(parameters + 16, StrideBytes);
        Write64(parameters + 24, AtRandom ? 1 : 0);
        Write64(parameters + 32, StoresPerDot);
        file[parameters + 40] = (byte)'.';
        path.CopyTo(file, parameters + PathOffset);
        return file;

        void Write16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(offset), value);
        void Write32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(offset), value);
        void Write64(int offset, long value) => BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(offset), value);
    }
}
