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
            await RemoveInstanceAsync(directory).ConfigureAwait(false);
            removed.Add(directory);
        }

        return removed;
    }

    /// <summary>Ends and removes the instance of one directory, asking nothing of the process.</summary>
    public static Task RemoveInstanceAsync(string directory)
    {
        var paths = new QemuInstancePaths(directory, "");
        string? ramFile = new FileInfo(paths.RamLink).LinkTarget;

        // Only what the engine itself names like that: the directory might hold what somebody else put there.
        bool isOwn = ramFile is not null && QemuInstancePaths.IsRamFile(ramFile);
        return QemuInstanceFiles.RemoveAsync(paths with { RamFile = isOwn ? ramFile! : paths.RamLink });
    }
}
