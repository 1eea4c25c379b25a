using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Which write trace is taken. Pure: the same wishes and obstacles give the same choice.</summary>
/// <param name="Mechanism">How writes are noticed.</param>
/// <param name="GranularityBytes">The unit; 4 KiB for the adaptive one.</param>
/// <param name="Fallback">Why it is not what was asked for; null where it is.</param>
internal sealed record QemuTraceChoice(WriteTraceMechanism Mechanism, int GranularityBytes, string? Fallback)
{
    /// <summary>Chooses.</summary>
    /// <param name="wanted">The unit that was asked for, or <see cref="WriteTrace.AutoGranularity"/>.</param>
    /// <param name="pageSizeBytes">Size of the pages that the RAM is on.</param>
    /// <param name="asyncObstacle">Why the kernel cannot trace page by page; null where it can.</param>
    /// <param name="syncObstacle">Why the engine cannot handle first writes; null where it can. Not both are obstacles.</param>
    public static QemuTraceChoice Make(int wanted, int pageSizeBytes, string? asyncObstacle, string? syncObstacle)
    {
        if (asyncObstacle is not null)
        {
            int unit = Math.Max(wanted == WriteTrace.AutoGranularity ? AdaptiveWriteTrace.RegionBytes : wanted, pageSizeBytes);
            bool asAsked = wanted > GuestMemory.PageSizeBytes && unit == wanted;
            return new(WriteTraceMechanism.SyncWriteProtect, unit, asAsked ? null
                : $"Writes are traced in units of {SizeOf(unit)}, whose first write the engine handles: {asyncObstacle}");
        }

        // Arming a unit for the engine would take the large mappings apart; the kernel keeps them and reports them as a whole.
        if (pageSizeBytes > GuestMemory.PageSizeBytes && wanted <= pageSizeBytes)
        {
            return new(WriteTraceMechanism.AsyncWriteProtect, pageSizeBytes, wanted is WriteTrace.AutoGranularity || wanted == pageSizeBytes
                ? null : $"Writes are traced in units of {SizeOf(pageSizeBytes)}: the memory is on pages of that size.");
        }

        if (wanted == GuestMemory.PageSizeBytes) return new(WriteTraceMechanism.AsyncWriteProtect, wanted, null);
        if (syncObstacle is not null)
        {
            return new(
                WriteTraceMechanism.AsyncWriteProtect, pageSizeBytes,
                $"Writes are traced in units of {SizeOf(pageSizeBytes)}: {syncObstacle}");
        }

        return wanted == WriteTrace.AutoGranularity
            ? new(WriteTraceMechanism.AdaptiveWriteProtect, GuestMemory.PageSizeBytes, null)
            : new(WriteTraceMechanism.SyncWriteProtect, wanted, null);
    }

    private static string SizeOf(int bytes) => bytes >= 1 << 20 ? $"{bytes >> 20} MiB" : $"{bytes >> 10} KiB";
}
