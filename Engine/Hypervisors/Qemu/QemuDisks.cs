using System.Text.Json;
using System.Text.Json.Nodes;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// The disks of one QEMU, driven over QMP (qemu-qmp-ref(7), and docs/interop/live-block-operations.rst). A drive is known by the file it has
/// open, since the names of its nodes change whenever an overlay is put on top or merged.
/// </summary>
/// <param name="qmp">Connection to the QEMU.</param>
/// <param name="specified">What the VM's specification says.</param>
/// <param name="specify">Changes it.</param>
/// <param name="chooseSocketPath">See <see cref="IVmDisks.ChooseSocketPath"/>.</param>
internal sealed class QemuDisks(
    QmpClient qmp, Func<IReadOnlyList<QemuDisk>> specified, Action<IReadOnlyList<QemuDisk>> specify, Func<string> chooseSocketPath) : IVmDisks
{
    public IReadOnlyList<QemuDisk> Specified => specified();

    /// <summary>Name of a disk.</summary>
    public static string NameOf(int index) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"disk{index}");

    public void Specify(IReadOnlyList<QemuDisk> disks) => specify(disks);

    public async Task<IReadOnlyList<VmDiskNode>> FindAsync(CancellationToken cancellationToken)
    {
        List<QemuBlockNode> nodes = [.. await QemuBlockNode.ReadAllAsync(qmp, cancellationToken).ConfigureAwait(false)];
        List<VmDiskNode> found = [];
        for (int index = 0; index < Specified.Count; index++)
        {
            QemuDisk disk = Specified[index];
            if (nodes.Find(node => IsOf(disk, node)) is not { } node)
            {
                found.Add(new(NameOf(index), disk.Path, 0, disk.ReadOnly, IsFrozen: false,
                    $"The VM does not have '{disk.Path}' open: its disk was changed by something else. Restart the VM from this host."));
                continue;
            }

            nodes.Remove(node);
            bool frozen = disk.Base is not null && node.Path == FullPath(disk.Path);
            found.Add(new(NameOf(index), node.Path, node.VirtualSizeBytes, disk.ReadOnly, frozen, FindRefusal(disk, node)));
        }

        foreach (QemuBlockNode other in nodes)
        {
            found.Add(new(
                $"drive{found.Count}", other.Path, other.VirtualSizeBytes, other.ReadOnly, IsFrozen: false,
                $"'{other.Path}' is no disk of the VM's specification: it was plugged in by further arguments or another monitor, and the"
                + " destination would not know where it lies. Unplug it, or define it as a disk of the VM."));
        }

        return found;
    }

    public async Task FreezeAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<QemuBlockNode> nodes = await QemuBlockNode.ReadAllAsync(qmp, cancellationToken).ConfigureAwait(false);
        var actions = new JsonArray();
        List<string> added = [];
        try
        {
            foreach (QemuDisk disk in Specified)
            {
                if (disk.Base is not { } image || nodes.FirstOrDefault(node => node.Path == FullPath(image.Path)) is not { } node) continue;
                string overlay = $"overlay-{Guid.NewGuid():N}"[..20];
                await qmp.ExecuteAsync("blockdev-add", Overlay(overlay, disk, node), CancellationToken.None).ConfigureAwait(false);
                added.Add(overlay);
                actions.Add(new JsonObject
                {
                    ["type"] = "blockdev-snapshot",
                    ["data"] = new JsonObject { ["node"] = node.NodeName, ["overlay"] = overlay },
                });
            }

            cancellationToken.ThrowIfCancellationRequested();
            if (actions.Count == 0) return;

            // One transaction: QEMU lets no request through between the first disk and the last.
            await qmp.ExecuteAsync("transaction", new JsonObject { ["actions"] = actions }, CancellationToken.None).ConfigureAwait(false);
            added.Clear();
        }
        finally
        {
            foreach (string overlay in added) await RemoveNodeAsync(overlay).ConfigureAwait(false);
        }
    }

    public async Task<IVmDiskMirror> MirrorAsync(
        string name, string socketPath, long maxBytesPerSecond, CancellationToken cancellationToken)
    {
        QemuDisk disk = Find(name);
        QemuBlockNode node = await FindNodeAsync(disk, cancellationToken).ConfigureAwait(false);
        if (disk.Base is null || node.Path != FullPath(disk.Path))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState, $"'{node.Path}' is not frozen under an overlay, so there is nothing to mirror.");
        }

        return await QemuDiskMirror.StartAsync(qmp, name, node.NodeName, socketPath, maxBytesPerSecond).ConfigureAwait(false);
    }

    public async Task<IAsyncDisposable> ExportAsync(IReadOnlyList<string> names, string socketPath, CancellationToken cancellationToken)
    {
        List<(string Name, string NodeName)> exports = [];
        foreach (string name in names)
        {
            exports.Add((name, (await FindNodeAsync(Find(name), cancellationToken).ConfigureAwait(false)).NodeName));
        }

        return await QemuDiskExport.StartAsync(qmp, exports, socketPath).ConfigureAwait(false);
    }

    public string ChooseSocketPath() => chooseSocketPath();

    public async Task<IVmDiskMerge?> MergeAsync(string name, CancellationToken cancellationToken)
    {
        QemuDisk disk = Find(name);
        QemuBlockNode node = await FindNodeAsync(disk, cancellationToken).ConfigureAwait(false);
        if (disk.Base is not { } image || node.Path != FullPath(disk.Path)) return null;
        string below = await FindNodeNameAsync(image, cancellationToken).ConfigureAwait(false);
        return new Merge(await QemuBlockJob.StartAsync(
            qmp, "block-commit", MergeId(name), new JsonObject { ["device"] = node.NodeName, ["base-node"] = below }, $"merge of {name}")
            .ConfigureAwait(false));
    }

    public async Task CloseAsync(string path, CancellationToken cancellationToken)
    {
        // The format node first, then what is below it.
        string[] open = [.. (await ReadNodesAsync(cancellationToken).ConfigureAwait(false))
            .Where(node => FullPath(node.GetProperty("file").GetString()!) == FullPath(path))
            .OrderBy(node => node.GetProperty("drv").GetString() == "file")
            .Select(node => node.GetProperty("node-name").GetString()!)];
        foreach (string nodeName in open) await RemoveNodeAsync(nodeName).ConfigureAwait(false);
    }

    /// <summary>Ends what an engine that was killed had begun on so many disks: mirrors, merges, exports.</summary>
    public static async Task EndInterruptedAsync(QmpClient qmp, int diskCount, CancellationToken cancellationToken)
    {
        for (int index = 0; index < diskCount; index++)
        {
            await QemuDiskMirror.EndLeftoverAsync(qmp, NameOf(index), cancellationToken).ConfigureAwait(false);
            await QemuBlockJob.EndLeftoverAsync(qmp, MergeId(NameOf(index)), cancellationToken).ConfigureAwait(false);
        }

        if (diskCount > 0) await QemuDiskExport.EndLeftoverAsync(qmp, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes a node that nothing uses; says whether it did.</summary>
    internal static async Task<bool> TryRemoveNodeAsync(QmpClient qmp, string nodeName)
    {
        try
        {
            await qmp.ExecuteAsync("blockdev-del", new JsonObject { ["node-name"] = nodeName }, CancellationToken.None).ConfigureAwait(false);
            return true;
        }
        catch (MigrationException error) when (error.Reason is MigrationErrorReason.HypervisorFailed or MigrationErrorReason.VmExited)
        {
            // It is not there (any more), or part of another: neither keeps the VM from its disks.
            return false;
        }
    }

    private static string MergeId(string name) => $"vm-migration-merge-{name}";

    private static string FullPath(string path) => Path.GetFullPath(path);

    /// <summary>Whether a drive is this disk: with its overlay, or with the image below, where the overlay has not been put to use yet.</summary>
    private static bool IsOf(QemuDisk disk, QemuBlockNode node) =>
        node.Path == FullPath(disk.Path) || (disk.Base is { } image && node.Path == FullPath(image.Path));

    private static string? FindRefusal(QemuDisk disk, QemuBlockNode node)
    {
        if (disk.ReadOnly) return null;
        if (node.Driver is not ("raw" or "qcow2"))
        {
            return $"'{node.Path}' is open as {node.Driver}; disks that move are raw or qcow2. Convert it with qemu-img.";
        }

        if (node.Snapshots > 0 && disk.Base is null)
        {
            return $"'{node.Path}' holds {node.Snapshots} internal snapshot(s), which would not be with the guest's disk any more."
                + " Delete them with qemu-img snapshot -d, or move the VM with storage that both hosts reach.";
        }

        return disk.Base is { MergePending: true } ? $"'{node.Path}' is still being merged into '{disk.Base.Path}'. Wait for that." : null;
    }

    private static JsonObject Overlay(string nodeName, QemuDisk disk, QemuBlockNode below)
    {
        JsonObject Cache() => new() { ["direct"] = below.Direct, ["no-flush"] = below.NoFlush };
        return new()
        {
            ["driver"] = disk.Format,
            ["node-name"] = nodeName,
            ["cache"] = Cache(),
            ["detect-zeroes"] = below.DetectZeroes,
            ["file"] = new JsonObject { ["driver"] = "file", ["filename"] = FullPath(disk.Path), ["cache"] = Cache() },

            // What is below comes with the snapshot: opened a second time it would be refused.
            ["backing"] = null,
        };
    }

    private QemuDisk Find(string name)
    {
        for (int index = 0; index < Specified.Count; index++)
        {
            if (NameOf(index) == name) return Specified[index];
        }

        throw new MigrationException(MigrationErrorReason.InvalidArgument, $"The VM has no disk '{name}'.");
    }

    private async Task<QemuBlockNode> FindNodeAsync(QemuDisk disk, CancellationToken cancellationToken) =>
        (await QemuBlockNode.ReadAllAsync(qmp, cancellationToken).ConfigureAwait(false)).FirstOrDefault(node => IsOf(disk, node))
        ?? throw new MigrationException(
            MigrationErrorReason.InvalidState, $"The VM does not have '{disk.Path}' open.", "Restart the VM from this host.");

    /// <summary>Finds the format node of an image that is part of a chain.</summary>
    private async Task<string> FindNodeNameAsync(QemuDiskBase image, CancellationToken cancellationToken)
    {
        foreach (JsonElement node in await ReadNodesAsync(cancellationToken).ConfigureAwait(false))
        {
            if (node.GetProperty("drv").GetString() == image.Format && FullPath(node.GetProperty("file").GetString()!) == FullPath(image.Path))
            {
                return node.GetProperty("node-name").GetString()!;
            }
        }

        throw new MigrationException(
            MigrationErrorReason.InvalidState, $"The VM does not have '{image.Path}' open below its overlay.", "Restart the VM from this host.");
    }

    private async Task<IEnumerable<JsonElement>> ReadNodesAsync(CancellationToken cancellationToken) => (await qmp.ExecuteAsync(
        "query-named-block-nodes", new JsonObject { ["flat"] = true }, cancellationToken).ConfigureAwait(false)).EnumerateArray();

    private Task<bool> RemoveNodeAsync(string nodeName) => TryRemoveNodeAsync(qmp, nodeName);

    private sealed class Merge(QemuBlockJob job) : IVmDiskMerge
    {
        public Task Ready => job.Ready;

        public Task PivotAsync() => job.FinishAsync(pivot: true, CancellationToken.None);

        public ValueTask DisposeAsync() => job.DisposeAsync();
    }
}
