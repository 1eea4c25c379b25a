namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Removes what an engine that was killed had begun and not yet written down.</summary>
internal static class QemuLeftovers
{
    /// <summary>Ends and removes every instance below a directory that is not among the known ones.</summary>
    /// <returns>The directories that were removed.</returns>
    public static async Task<IReadOnlyList<string>> RemoveAsync(
        string vmsDirectory, IEnumerable<VmInstance> known, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(vmsDirectory)) return [];
        HashSet<string?> kept = [.. known.Select(instance => Path.GetDirectoryName(instance.QmpSocketPath))];
        List<string> removed = [];
        foreach (string directory in Directory.GetDirectories(vmsDirectory))
        {
            if (kept.Contains(directory)) continue;
            cancellationToken.ThrowIfCancellationRequested();
            var paths = new QemuInstancePaths(directory, "");
            string? ramFile = new FileInfo(paths.RamLink).LinkTarget;

            // Only what the engine itself names like that: the directory might hold what somebody else put there.
            if (ramFile is not null && QemuInstancePaths.IsRamFile(ramFile)) paths = paths with { RamFile = ramFile };
            else paths = paths with { RamFile = paths.RamLink };
            await QemuInstanceFiles.RemoveAsync(paths).ConfigureAwait(false);
            removed.Add(directory);
        }

        return removed;
    }
}
