using System.Text.Json;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>The topmost block node of a drive, as <c>query-block</c> describes it (qemu-qmp-ref(7), BlockInfo).</summary>
/// <param name="NodeName">Name of the node; QEMU chooses one that starts with <c>#</c> where nobody did.</param>
/// <param name="Path">Absolute path of its file.</param>
/// <param name="Driver">Format driver: <c>raw</c>, <c>qcow2</c>, ….</param>
/// <param name="ReadOnly">Whether it is open for reading only.</param>
/// <param name="VirtualSizeBytes">Size of the disk.</param>
/// <param name="BackingPath">Absolute path of the image below, null for none.</param>
/// <param name="Direct">Cache mode: past the host's page cache.</param>
/// <param name="NoFlush">Cache mode: the guest's flushes are ignored.</param>
/// <param name="DetectZeroes">What becomes of zeros that are written: <c>off</c>, <c>on</c> or <c>unmap</c>.</param>
/// <param name="Snapshots">Number of snapshots inside the image.</param>
internal sealed record QemuBlockNode(
    string NodeName, string Path, string Driver, bool ReadOnly, long VirtualSizeBytes, string? BackingPath, bool Direct, bool NoFlush,
    string DetectZeroes, int Snapshots)
{
    /// <summary>Asks for the nodes of all drives that have a medium.</summary>
    public static async Task<IReadOnlyList<QemuBlockNode>> ReadAllAsync(QmpClient qmp, CancellationToken cancellationToken)
    {
        JsonElement drives = await qmp.ExecuteAsync("query-block", cancellationToken).ConfigureAwait(false);
        return [.. drives.EnumerateArray().Where(drive => drive.TryGetProperty("inserted", out _)).Select(drive => Read(drive.GetProperty("inserted")))];
    }

    private static QemuBlockNode Read(JsonElement inserted)
    {
        JsonElement image = inserted.GetProperty("image");
        JsonElement cache = inserted.GetProperty("cache");
        return new(
            inserted.TryGetProperty("node-name", out JsonElement name) ? name.GetString()! : "",
            System.IO.Path.GetFullPath(inserted.GetProperty("file").GetString()!),
            inserted.GetProperty("drv").GetString()!,
            inserted.GetProperty("ro").GetBoolean(),
            image.GetProperty("virtual-size").GetInt64(),
            image.TryGetProperty("backing-image", out JsonElement backing)
                ? System.IO.Path.GetFullPath(backing.GetProperty("filename").GetString()!) : null,
            cache.GetProperty("direct").GetBoolean(),
            cache.GetProperty("no-flush").GetBoolean(),
            inserted.GetProperty("detect_zeroes").GetString()!,
            image.TryGetProperty("snapshots", out JsonElement snapshots) ? snapshots.GetArrayLength() : 0);
    }
}
