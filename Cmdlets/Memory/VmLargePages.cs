using System.Globalization;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>How much of a VM's memory is mapped by large pages.</summary>
public sealed record VmLargePages
{
    /// <summary>The VM.</summary>
    public required Guid VmId { get; init; }

    /// <summary>Its name.</summary>
    public required string VmName { get; init; }

    /// <summary>The host it was on.</summary>
    public required string HostName { get; init; }

    /// <summary>The pages its RAM was asked to be on.</summary>
    public required MemoryBacking Backing { get; init; }

    /// <summary>RAM in bytes.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Guest memory that is mapped at all; null where nobody can say.</summary>
    public long? MappedBytes { get; init; }

    /// <summary>What of it is mapped by pages of 2 MiB or more; null where nobody can say.</summary>
    public long? LargeBytes { get; init; }

    /// <summary>The share of mapped memory that large pages map, from 0 to 1; null where nobody can say.</summary>
    public double? Share { get; init; }

    /// <summary>Why nobody can say, or why the memory is not on large pages, in a sentence; null where neither is so.</summary>
    public string? Remark { get; init; }

    /// <summary>The main facts in one line.</summary>
    public override string ToString() => Share is { } share
        ? string.Create(CultureInfo.InvariantCulture, $"{VmName}: {100 * share:F1} % of {MappedBytes >> 20} MiB")
        : $"{VmName}: {Remark}";

    internal static VmLargePages From(VmDescription vm, Engine.Memory.LargePageCoverage coverage) =>
        Unknown(vm, vm.Capabilities?.LargePagesRefused) with
        {
            MappedBytes = coverage.MappedBytes,
            LargeBytes = coverage.LargeBytes,
            Share = coverage.Share,
        };

    internal static VmLargePages Unknown(VmDescription vm, string? remark) => new()
    {
        VmId = vm.Specification.Id,
        VmName = vm.Specification.Name,
        HostName = vm.HostName,
        Backing = (MemoryBacking)vm.Specification.Backing,
        MemoryBytes = vm.Specification.MemoryBytes,
        Remark = remark,
    };
}
