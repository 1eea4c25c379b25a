using System.Globalization;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>The preflight check of a destination: what would keep a VM from arriving, and which way it would come. Changes nothing.</summary>
internal sealed class IncomingCheck(
    string hostName, string ramDirectory, VmRegistry registry, HypervisorSet hypervisors, Func<MachineMemory> readMemory,
    IncomingDiskCheck? disks = null)
{
    /// <inheritdoc cref="IMigrationHost.CheckIncomingAsync"/>
    public async Task<IReadOnlyList<PreflightFinding>> RunAsync(IncomingRequest request, CancellationToken cancellationToken)
    {
        List<PreflightFinding> findings = [];
        VmSpecification specification = request.Specification;
        try
        {
            VmSpecificationCheck.Require(specification);
        }
        catch (MigrationException e) when (e.Reason == MigrationErrorReason.InvalidArgument)
        {
            findings.Add(Error("Specification", e.Message, "Correct the specification of the VM."));
            return findings;
        }

        CheckPlace(specification, findings);
        await CheckHypervisorAsync(specification, findings, cancellationToken).ConfigureAwait(false);
        CheckPoison(request, findings);
        CheckPostcopy(request, findings);
        bool onLargePages = CheckLargePages(request, findings);

        // Reserved pages are not among the memory that is available; whether enough of them are free has been seen.
        if (!onLargePages || specification.Backing != MemoryBacking.HugeTlb) CheckMemory(specification, findings);
        if (specification.Qemu is not null)
        {
            if (!onLargePages) CheckRamDirectory(specification, findings);
            CheckFiles(request, findings);
        }

        DescribeWay(request, findings);
        return findings;
    }

    private void CheckPlace(VmSpecification specification, List<PreflightFinding> findings)
    {
        if (registry.FindClash(specification.Id, specification.Name) is { } clash)
        {
            findings.Add(Error("DestinationName", $"Host '{hostName}': {clash.Message}", clash.RecommendedAction));
        }
    }

    private async Task CheckHypervisorAsync(
        VmSpecification specification, List<PreflightFinding> findings, CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<HypervisorKind, string?> obstacles =
            await hypervisors.FindObstaclesAsync(cancellationToken).ConfigureAwait(false);
        if (!obstacles.TryGetValue(specification.Hypervisor, out string? obstacle))
        {
            findings.Add(Error("DestinationHypervisor", $"Host '{hostName}' has no {specification.Hypervisor} hypervisor.",
                "Use a host that has it."));
        }
        else if (obstacle is not null)
        {
            findings.Add(Error("DestinationHypervisor", $"Host '{hostName}' cannot run {specification.Hypervisor} VMs: {obstacle}",
                "Install what is missing on that host, or use another one."));
        }
    }

    private void CheckPoison(IncomingRequest request, List<PreflightFinding> findings)
    {
        if (request.PoisonedPageCount == 0 || findings.Any(finding => finding.Check == "DestinationHypervisor")) return;
        if (hypervisors.For(request.Specification).FindPoisonObstacle(request.Specification) is not { } obstacle) return;
        findings.Add(Error("DestinationPoison",
            $"'{request.Specification.Name}' has poisoned pages ({request.PoisonedPageCount}),"
            + $" which would come back to life on host '{hostName}'"
            + $" as pages of zeros: {obstacle}",
            "Mend that, use another host, or restart the VM: its memory is new then."));
    }

    /// <summary>Post-copy that was demanded must be possible; where it is only the way out, the way out is missing.</summary>
    private void CheckPostcopy(IncomingRequest request, List<PreflightFinding> findings)
    {
        PostcopyPolicy policy = request.Options.Postcopy;
        if (policy == PostcopyPolicy.Never || findings.Any(finding => finding.Check == "DestinationHypervisor")) return;
        string? obstacle = request.Contents == StateContents.DevicesAndMemory
            ? "The hypervisor's own migration carries the memory."
            : hypervisors.For(request.Specification).FindPostcopyObstacle(request.Specification);
        if (obstacle is null) return;
        if (policy == PostcopyPolicy.AfterFirstPass)
        {
            findings.Add(Error("DestinationPostcopy",
                $"'{request.Specification.Name}' cannot resume on host '{hostName}' before all of its memory is there: {obstacle}",
                "Mend that on the destination host, or migrate without post-copy."));
            return;
        }

        findings.Add(new(PreflightSeverity.Warning, "DestinationPostcopy",
            $"Where memory does not converge the migration will give up, without post-copy: {obstacle}",
            "Mend that on the destination host to have post-copy as the way out."));
    }

    private void CheckMemory(VmSpecification specification, List<PreflightFinding> findings)
    {
        MachineMemory memory = readMemory();
        if (memory.AvailableBytes < specification.MemoryBytes)
        {
            findings.Add(Error("DestinationMemory",
                $"'{specification.Name}' needs {Mib(specification.MemoryBytes)} of memory; host '{hostName}' has"
                + $" {Mib(memory.AvailableBytes)} available of {Mib(memory.TotalBytes)}.",
                "Stop or move VMs away from that host, or use another one."));
            return;
        }

        // Memory of a VM that is still arriving counts as available until its pages are there.
        long promised = registry.List().Where(slot => slot.Present.Ownership == VmOwnership.Incoming)
            .Sum(slot => slot.Specification.MemoryBytes);
        if (memory.AvailableBytes - promised < specification.MemoryBytes)
        {
            findings.Add(new(PreflightSeverity.Warning, "DestinationMemory",
                $"Host '{hostName}' has {Mib(memory.AvailableBytes)} of memory available, but VMs that are arriving there will take up to"
                + $" {Mib(promised)} of it; '{specification.Name}' needs {Mib(specification.MemoryBytes)}.",
                "Wait until the other migrations have ended."));
        }
    }

    /// <summary>Returns whether the VM's memory would be on a file system of large pages.</summary>
    private bool CheckLargePages(IncomingRequest request, List<PreflightFinding> findings)
    {
        VmSpecification specification = request.Specification;
        if (specification.Backing == MemoryBacking.BasePages) return false;
        if (!request.Options.PreserveLargePages)
        {
            findings.Add(Information("LargePages", $"'{specification.Name}' gives its large pages up: PreserveLargePages is off."));
            return false;
        }

        if (hypervisors.FindLargePageObstacle(specification) is not { } obstacle) return true;
        findings.Add(new(PreflightSeverity.Warning, "DestinationLargePages",
            $"'{specification.Name}' would be on 4 KiB pages on host '{hostName}': {obstacle}",
            "Give that host the large pages the VM has, or accept that the guest runs slower there."));
        return false;
    }

    private void CheckRamDirectory(VmSpecification specification, List<PreflightFinding> findings)
    {
        if (!Directory.Exists(ramDirectory))
        {
            findings.Add(Error("DestinationRamDirectory", $"Host '{hostName}' has no directory '{ramDirectory}' for guest memory.",
                "Mount a tmpfs there, or open the host with another RamDirectory."));
            return;
        }

        long free = new DriveInfo(ramDirectory).AvailableFreeSpace;
        if (free < specification.MemoryBytes)
        {
            findings.Add(Error("DestinationRamDirectory",
                $"'{specification.Name}' needs {Mib(specification.MemoryBytes)} in '{ramDirectory}' of host '{hostName}', where"
                + $" {Mib(free)} are free.",
                $"Make the file system larger (mount -o remount,size=… {ramDirectory}), or open the host with another RamDirectory."));
        }
    }

    private void CheckFiles(IncomingRequest request, List<PreflightFinding> findings)
    {
        if (request.Specification.Qemu is not { } guest) return;
        CheckFile("kernel", guest.KernelPath, findings);
        CheckFile("initramfs", guest.InitrdPath, findings);
        if (request.Options.IncludeDisks)
        {
            findings.AddRange(disks?.Run(request) ?? []);
            return;
        }

        foreach (Hypervisors.Qemu.QemuDisk disk in guest.Disks) CheckFile("disk", disk.Path, findings);
    }

    private void CheckFile(string what, string? path, List<PreflightFinding> findings)
    {
        if (path is null || File.Exists(path)) return;
        findings.Add(Error("DestinationFiles", $"Host '{hostName}' does not have the {what} '{path}'.",
            "Put the file on storage that both hosts reach under the same path."));
    }

    private static void DescribeWay(IncomingRequest request, List<PreflightFinding> findings)
    {
        if (request.Contents == StateContents.DevicesAndMemory)
        {
            findings.Add(Information("Way", "The hypervisor's own migration carries memory and devices; the engine relays it."));
            return;
        }

        string limit = request.Options.MaxBytesPerSecond > 0
            ? string.Create(CultureInfo.InvariantCulture, $"at no more than {request.Options.MaxBytesPerSecond / 1e6:F1} MB/s")
            : "as fast as the link goes";
        findings.Add(Information("Way",
            $"The engine copies {Mib(request.Specification.MemoryBytes)} of memory while the VM runs, {limit}, and switches over once the"
            + $" rest is expected to take at most {request.Options.DowntimeLimit.TotalMilliseconds:F0} ms."));
        if (request.Options.VerifyMemory)
        {
            findings.Add(Information("VerifyMemory", "Both sides hash all memory while the VM is paused, which adds to its downtime."));
        }
    }

    private static string Mib(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1 << 20):N0} MiB");

    private static PreflightFinding Error(string check, string message, string recommendedAction) =>
        new(PreflightSeverity.Error, check, message, recommendedAction);

    private static PreflightFinding Information(string check, string message) => new(PreflightSeverity.Information, check, message);
}
