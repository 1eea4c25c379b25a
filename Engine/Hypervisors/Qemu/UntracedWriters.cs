using System.Text.Json;
using System.Text.Json.Nodes;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// Finds what writes a guest's memory past the page tables of the QEMU process, where <see cref="Memory.AsyncWriteTrace"/> does not see
/// it: what it wrote last would be missing at the destination. QEMU's own migration knows all of these writers. QEMU itself is asked
/// instead of its command line, so that plugged devices and configuration files count too.
/// </summary>
internal static class UntracedWriters
{
    // Names in QOM: -pci, -ccw, -device and the like follow.
    private static readonly (string Prefix, string How)[] Types =
    [
        ("vfio-", DeviceAccess),
        ("pvrdma", DeviceAccess),
        ("scsi-block", DirectTransfer),
        ("vhost-scsi", DirectTransfer),
        ("vhost-user-", OtherProcess),
        ("cryptodev-vhost-user", OtherProcess),
        ("vhost-vdpa-", DeviceAccess),
        ("x-pci-proxy-dev", OtherProcess),
    ];

    // Block drivers that hand guest memory to a device or another process by themselves, whatever their cache mode.
    private static readonly (string Prefix, string How)[] BlockDrivers =
    [
        ("nvme", DeviceAccess),
        ("virtio-blk-vfio-", DeviceAccess),
        ("virtio-blk-vhost-vdpa", DeviceAccess),
        ("virtio-blk-vhost-user", OtherProcess),
    ];

    private static readonly (string Type, string How)[] NetworkBackends = [("vhost-user", OtherProcess), ("vhost-vdpa", DeviceAccess)];

    private const string DeviceAccess = "a device writes the guest's memory by itself";
    private const string OtherProcess = "another process writes the guest's memory";
    private const string DirectTransfer = "the disk controller writes into pinned pages of the guest's memory";

    /// <summary>Asks QEMU for such a writer.</summary>
    /// <returns>A sentence that names the first one found; null where there is none.</returns>
    public static async Task<string?> FindAsync(QmpClient qmp, CancellationToken cancellationToken)
    {
        var flat = new JsonObject { ["flat"] = true };
        JsonElement nodes = await qmp.ExecuteAsync("query-named-block-nodes", flat, cancellationToken).ConfigureAwait(false);
        if (nodes.EnumerateArray().Select(ExplainNode).FirstOrDefault(found => found is not null) is { } disk) return Refuse(disk);
        foreach (string path in new[] { "/machine/peripheral", "/machine/peripheral-anon", "/objects" })
        {
            var arguments = new JsonObject { ["path"] = path };
            JsonElement objects = await qmp.ExecuteAsync("qom-list", arguments, cancellationToken).ConfigureAwait(false);
            if (objects.EnumerateArray().Select(ExplainObject).FirstOrDefault(found => found is not null) is { } device)
            {
                return Refuse(device);
            }
        }

        var network = new JsonObject { ["command-line"] = "info network" };
        JsonElement answer = await qmp.ExecuteAsync("human-monitor-command", network, cancellationToken).ConfigureAwait(false);
        string? backend = answer.GetString()!.Split('\n').Select(ExplainNetwork).FirstOrDefault(found => found is not null);
        return backend is null ? null : Refuse(backend);
    }

    private static string Refuse(string writer) => $"The engine cannot trace all writes to the guest's memory: {writer}.";

    private static string? ExplainNode(JsonElement node)
    {
        string driver = node.GetProperty("drv").GetString()!;
        string named = $"block node '{node.GetProperty("node-name").GetString()}' ({driver})";
        if (HowOf(BlockDrivers, driver) is { } how) return $"through {named} {how}";
        return node.GetProperty("cache").GetProperty("direct").GetBoolean()
            ? $"{named} is open for direct I/O (cache.direct=on), so that {DirectTransfer}"
            : null;
    }

    // A child reads {"name": "net0", "type": "child<vfio-pci>"}.
    private static string? ExplainObject(JsonElement property)
    {
        const string ChildPrefix = "child<";
        string type = property.GetProperty("type").GetString()!;
        if (!type.StartsWith(ChildPrefix, StringComparison.Ordinal)) return null;
        string kind = type[ChildPrefix.Length..^1];
        return HowOf(Types, kind) is { } how ? $"through {kind} '{property.GetProperty("name").GetString()}' {how}" : null;
    }

    // A line reads " \ net0: index=0,type=vhost-user,…".
    private static string? ExplainNetwork(string line)
    {
        int colon = line.IndexOf(": ", StringComparison.Ordinal);
        if (colon < 0 || QemuArguments.Property(line[(colon + 2)..].Trim(), "type") is not { } type) return null;
        string? how = NetworkBackends.FirstOrDefault(backend => backend.Type == type).How;
        return how is null ? null : $"through network back end '{line[..colon].Trim(' ', '\\')}' ({type}) {how}";
    }

    private static string? HowOf((string Prefix, string How)[] writers, string name) =>
        writers.FirstOrDefault(writer => name.StartsWith(writer.Prefix, StringComparison.Ordinal)).How;
}
