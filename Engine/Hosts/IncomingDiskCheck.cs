using System.Globalization;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>Whether a destination has place for the disks of a VM that would arrive with them. Changes nothing.</summary>
internal sealed class IncomingDiskCheck(string hostName, DiskDatastore datastore, ArrivedDiskJournal journal, VmRegistry registry)
{
    /// <summary>What there is to say.</summary>
    public IReadOnlyList<PreflightFinding> Run(IncomingRequest request)
    {
        List<PreflightFinding> findings = [];
        List<string> paths = [];
        long needed = 0;
        long there = 0;
        try
        {
            foreach (VmDisk disk in request.Disks)
            {
                if (disk.Image is not { } image) continue;
                string path = ArrivingDisks.ChoosePath(datastore, request.Options, image.Path, paths);
                paths.Add(path);
                ArrivedKind kind = ArrivingDisks.Look(path, image, image.BackingPath is not null, journal, registry);
                if (kind == ArrivedKind.Complete) there += image.AllocatedBytes;
                else needed += image.AllocatedBytes;
                if (kind != ArrivedKind.Foreign) continue;
                MigrationException taken = ArrivingDisks.PathTaken(path);
                findings.Add(new(PreflightSeverity.Error, "DestinationDisks", $"Host '{hostName}': {taken.Message}", taken.RecommendedAction));
            }
        }
        catch (MigrationException error)
        {
            findings.Add(new(PreflightSeverity.Error, "DestinationDisks", $"Host '{hostName}': {error.Message}", error.RecommendedAction));
            return findings;
        }

        if (paths.Count == 0) return findings;
        string directory = ExistingDirectoryOf(paths[0]);
        long free = new DriveInfo(directory).AvailableFreeSpace;
        if (free < needed)
        {
            findings.Add(new(PreflightSeverity.Error, "DestinationDisks",
                $"The disks of '{request.Specification.Name}' take {Mib(needed)}; '{directory}' of host '{hostName}' has {Mib(free)} free.",
                "Free space there, or name another directory for the VM's disks."));
        }

        findings.Add(new(PreflightSeverity.Information, "Disks",
            $"{Mib(needed)} of disks are copied to '{Path.GetDirectoryName(paths[0])}' while the VM runs"
            + (there > 0 ? $"; {Mib(there)} are there from an earlier try." : ".")));
        return findings;
    }

    private static string ExistingDirectoryOf(string path)
    {
        string directory = Path.GetDirectoryName(path)!;
        while (!Directory.Exists(directory)) directory = Path.GetDirectoryName(directory)!;
        return directory;
    }

    private static string Mib(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1 << 20):N0} MiB");
}
