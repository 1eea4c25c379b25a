namespace VmMigration.Performance;

/// <summary>A loop that stores to memory without end.</summary>
/// <param name="Name">For people.</param>
/// <param name="SizeMiB">Memory it is spread over, in MiB.</param>
/// <param name="StrideBytes">Distance of two places that are stored to.</param>
/// <param name="AtRandom">Whether they come at random.</param>
internal sealed record RewriteWorkload(string Name, int SizeMiB, int StrideBytes, bool AtRandom)
{
    public static IReadOnlyList<RewriteWorkload> All =>
    [
        new("hot-set", SizeMiB: 32, StrideBytes: 4096, AtRandom: false),
        new("scattered", SizeMiB: 256, StrideBytes: 256 << 10, AtRandom: true),
    ];
}
