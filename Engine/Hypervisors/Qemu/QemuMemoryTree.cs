using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// The guest's memory map as QEMU's human monitor prints it (<c>info mtree -f</c>): below 4 GiB a PC has a hole, so that an offset in the
/// RAM block is no guest-physical address.
/// </summary>
internal static partial class QemuMemoryTree
{
    private const string HeaderStart = "FlatView #";
    private const string SystemSpace = " AS \"memory\"";

    /// <summary>Asks QEMU for the map.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.HypervisorFailed"/> where it shows no RAM of the machine's memory backend.
    /// </exception>
    public static async Task<GuestPhysicalMap> ReadAsync(QmpClient qmp, CancellationToken cancellationToken)
    {
        string backend = await QemuRam.ReadPropertyAsync(qmp, "/machine", "memory-backend", cancellationToken).ConfigureAwait(false) ?? "";
        string name = backend[(backend.LastIndexOf('/') + 1)..];
        var arguments = new JsonObject { ["command-line"] = "info mtree -f" };
        JsonElement answer = await qmp.ExecuteAsync("human-monitor-command", arguments, cancellationToken).ConfigureAwait(false);
        return Parse(answer.GetString()!, name);
    }

    /// <summary>Finds the parts of one memory region in the address space that the vCPUs see.</summary>
    /// <param name="text">What the monitor printed.</param>
    /// <param name="regionName">Name of the region: the id of the memory backend.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.HypervisorFailed"/> where there is none.</exception>
    internal static GuestPhysicalMap Parse(string text, string regionName)
    {
        List<GuestPhysicalRange> ranges = [];
        bool inSystemSpace = false;
        foreach (string line in text.Split('\n'))
        {
            string entry = line.TrimEnd('\r');
            if (entry.StartsWith(HeaderStart, StringComparison.Ordinal)) inSystemSpace = false;
            else if (entry.StartsWith(SystemSpace, StringComparison.Ordinal)) inSystemSpace = true;
            else if (inSystemSpace && ParseRange(entry, regionName) is { } range) ranges.Add(range);
        }

        return ranges.Count > 0 ? new(ranges) : throw new MigrationException(
            MigrationErrorReason.HypervisorFailed, $"QEMU's memory map shows no RAM of the name '{regionName}'.",
            "Use a QEMU of version 5.1 or later, whose RAM is one memory backend.");
    }

    // "  0000000100000000-000000017fffffff (prio 0, ram): ram @0000000080000000 KVM"; a part the guest may not write is shown as rom.
    private static GuestPhysicalRange? ParseRange(string line, string regionName)
    {
        Match match = RangeLine().Match(line);
        if (!match.Success || match.Groups["name"].Value != regionName) return null;
        long start = Hexadecimal(match.Groups["start"]);
        long end = Hexadecimal(match.Groups["end"]);
        long offset = match.Groups["offset"].Success ? Hexadecimal(match.Groups["offset"]) : 0;
        return new(start, offset, end - start + 1);
    }

    private static long Hexadecimal(Group digits) =>
        long.Parse(digits.ValueSpan, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    [GeneratedRegex(
        @"^\s+(?<start>[0-9a-f]{16})-(?<end>[0-9a-f]{16}) \(prio -?\d+, (ram|rom|romd|nv-ram)\): "
        + @"(?<name>.+?)( @(?<offset>[0-9a-f]{16}))?( KVM)?$")]
    private static partial Regex RangeLine();
}
