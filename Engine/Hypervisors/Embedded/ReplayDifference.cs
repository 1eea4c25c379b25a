using System.Globalization;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>The first difference between a VM and a replay of its program.</summary>
public sealed record ReplayDifference
{
    /// <summary>The vCPU whose register differs; null where memory differs.</summary>
    public int? Vcpu { get; init; }

    /// <summary>The register that differs, by its name in <see cref="VcpuRegisters"/>; null where memory differs.</summary>
    public string? Register { get; init; }

    /// <summary>Offset in RAM of the first byte that differs; null where a register differs.</summary>
    public long? OffsetBytes { get; init; }

    /// <summary>The page that byte lies in; null where a register differs.</summary>
    public long? Page => OffsetBytes >> GuestMemory.PageShift;

    /// <summary>What the replay holds: the register, or the byte.</summary>
    public required ulong Expected { get; init; }

    /// <summary>What the VM holds: the register, or the byte.</summary>
    public required ulong Actual { get; init; }

    /// <summary>A sentence for people.</summary>
    public override string ToString() => Register is not null
        ? string.Create(CultureInfo.InvariantCulture, $"vCPU {Vcpu}: {Register} is 0x{Actual:x}, expected 0x{Expected:x}")
        : string.Create(
            CultureInfo.InvariantCulture, $"RAM offset 0x{OffsetBytes:x} (page {Page}): 0x{Actual:x2}, expected 0x{Expected:x2}");
}
