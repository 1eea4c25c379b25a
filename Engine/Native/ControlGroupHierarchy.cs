using System.Globalization;

namespace VmMigration.Engine.Native;

/// <summary>Where a control group hierarchy is mounted that can cap CPU time (cgroups(7)).</summary>
/// <param name="MountPoint">Directory it is mounted on.</param>
/// <param name="Root">The group that the mount point shows, as a path in the hierarchy; <c>/</c> except in containers.</param>
/// <param name="IsUnified">Whether it is version 2; else the version 1 hierarchy of the cpu controller.</param>
internal sealed record ControlGroupHierarchy(string MountPoint, string Root, bool IsUnified)
{
    /// <summary>Finds the hierarchy that holds the cpu controller; null where neither version does.</summary>
    public static ControlGroupHierarchy? FindCpu()
    {
        const string mountInfoPath = "/proc/self/mountinfo";
        if (!File.Exists(mountInfoPath)) return null;
        IReadOnlyList<ControlGroupHierarchy> hierarchies = Parse(ControlGroupFile.ReadLines(mountInfoPath));
        return hierarchies.FirstOrDefault(hierarchy => !hierarchy.IsUnified || hierarchy.OffersCpu());
    }

    /// <summary>Reads the lines of /proc/PID/mountinfo (proc_pid_mountinfo(5)): version 1 with cpu, and version 2.</summary>
    internal static IReadOnlyList<ControlGroupHierarchy> Parse(IEnumerable<string> mountInfo)
    {
        List<ControlGroupHierarchy> found = [];
        foreach (string line in mountInfo)
        {
            // id parent device root mount-point options [optional…] - type source super-options
            string[] fields = line.Split(' ');
            int separator = Array.IndexOf(fields, "-", 6);
            string type = fields[separator + 1];
            bool unified = type == "cgroup2";
            if (unified || (type == "cgroup" && fields[separator + 3].Split(',').Contains("cpu")))
            {
                found.Add(new(fields[4], fields[3], unified));
            }
        }

        return found;
    }

    /// <summary>The directory of the group that a process or thread is in.</summary>
    /// <param name="cgroupFile"><c>/proc/PID/cgroup</c> or <c>/proc/PID/task/TID/cgroup</c>.</param>
    public string DirectoryOf(string cgroupFile)
    {
        IEnumerable<string> lines;
        try
        {
            lines = File.ReadAllLines(cgroupFile);
        }
        catch (IOException exception)
        {
            throw new MigrationException(MigrationErrorReason.VmExited, $"{cgroupFile} cannot be read: the process ended.", null, exception);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.AccessDenied, $"{cgroupFile} may not be read.", "Run as root, or as the account of the process.", exception);
        }

        return DirectoryFrom(lines);
    }

    /// <summary>The directory of the group named by the lines of a cgroup file: <c>id:controllers:path</c>.</summary>
    internal string DirectoryFrom(IEnumerable<string> lines)
    {
        foreach (string line in lines)
        {
            string[] fields = line.Split(':', 3);
            bool matches = IsUnified ? fields[0] == "0" : fields[1].Split(',').Contains("cpu");
            if (!matches) continue;
            string path = fields[2];
            if (Root != "/" && path.StartsWith(Root, StringComparison.Ordinal)) path = path[Root.Length..];
            return Path.Join(MountPoint, path.Trim('/')).TrimEnd('/');
        }

        throw new MigrationException(
            MigrationErrorReason.PrerequisiteMissing, string.Create(
                CultureInfo.InvariantCulture, $"The process is in no control group of the hierarchy at {MountPoint}."));
    }

    private bool OffersCpu()
    {
        string controllers = Path.Join(MountPoint, "cgroup.controllers");
        return File.Exists(controllers) && ControlGroupFile.Lists(controllers, "cpu");
    }
}
