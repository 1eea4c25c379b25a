using System.Globalization;

namespace VmMigration.Engine.Native;

/// <summary>The capabilities of this process: capabilities(7), read from /proc/self/status.</summary>
internal static class ProcessCapabilities
{
    private const string EffectiveField = "CapEff:";

    /// <summary>The effective set, one bit for each capability by its number in linux/capability.h; 0 where there are none of the kind.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.SystemCallFailed"/> where /proc does not say.</exception>
    public static ulong ReadEffective()
    {
        if (!OperatingSystem.IsLinux()) return 0;
        string? line = File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(EffectiveField, StringComparison.Ordinal));
        return line is not null && ulong.TryParse(
                line.AsSpan(EffectiveField.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong set)
            ? set
            : throw new MigrationException(
                MigrationErrorReason.SystemCallFailed, "/proc/self/status does not say which capabilities this process has.",
                "See that /proc is mounted.");
    }
}
