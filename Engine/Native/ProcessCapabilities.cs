using System.Globalization;

namespace VmMigration.Engine.Native;

/// <summary>The capabilities of this process: capabilities(7), read from /proc/self/status.</summary>
internal static class ProcessCapabilities
{
    /// <summary>Number of CAP_SYS_PTRACE.</summary>
    public const int SysPtrace = 19;

    /// <summary>The effective set, one bit for each capability by its number in linux/capability.h; 0 where there are none of the kind.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.SystemCallFailed"/> where /proc does not say.</exception>
    public static ulong ReadEffective() => Read("CapEff:");

    /// <summary>The ambient set: what programs get that an account other than root starts; see <see cref="ReadEffective"/>.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.SystemCallFailed"/> where /proc does not say.</exception>
    public static ulong ReadAmbient() => Read("CapAmb:");

    private static ulong Read(string field)
    {
        if (!OperatingSystem.IsLinux()) return 0;
        string? line = File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(field, StringComparison.Ordinal));
        return line is not null && ulong.TryParse(
                line.AsSpan(field.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong set)
            ? set
            : throw new MigrationException(
                MigrationErrorReason.SystemCallFailed, "/proc/self/status does not say which capabilities this process has.",
                "See that /proc is mounted.");
    }
}
