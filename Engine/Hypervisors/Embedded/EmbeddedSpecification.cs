using System.Numerics;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Checks whether a specification describes an embedded VM that can be made.</summary>
internal static class EmbeddedSpecification
{
    /// <summary>RAM comes in units of this many bytes.</summary>
    public const long MemoryUnitBytes = 2 << 20;

    /// <summary>Most vCPUs of a VM.</summary>
    public const int MaxVcpuCount = 64;

    private static readonly TimeSpan maxTraceFaultTime = TimeSpan.FromMilliseconds(1);

    /// <summary>Checks every value against its limits.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/>, naming the value.</exception>
    public static EmbeddedGuest Check(VmSpecification specification)
    {
        string name = specification.Name;
        if (specification.Hypervisor != HypervisorKind.Embedded || specification.Embedded is not { } guest)
        {
            throw Refused($"'{name}' is not specified for the embedded hypervisor", "Give an embedded guest, and no other");
        }

        long memory = specification.MemoryBytes;
        if (memory <= 0 || memory % MemoryUnitBytes != 0)
        {
            throw Refused($"'{name}' asks for {memory} bytes of memory", "Give a positive multiple of 2 MiB");
        }

        if (specification.VcpuCount is < 1 or > MaxVcpuCount)
        {
            throw Refused($"'{name}' asks for {specification.VcpuCount} vCPUs", $"Give 1 to {MaxVcpuCount}");
        }

        if (!Enum.IsDefined(guest.Program) || guest.Program == GuestProgramKind.Invalid)
        {
            throw Refused($"'{name}' asks for guest program {guest.Program}, which does not exist", "Name one of the guest programs");
        }

        long workingSet = guest.WorkingSetIn(memory);
        long least = (long)specification.VcpuCount << GuestMemory.PageShift;
        if (workingSet < least || workingSet > memory || workingSet % GuestMemory.PageSizeBytes != 0)
        {
            throw Refused(
                $"'{name}' asks for a working set of {workingSet} bytes",
                $"Give a multiple of 4096 from {least} (a page per vCPU) to {memory}");
        }

        if (guest.StepsPerSecond < 0) throw Refused($"'{name}' asks for {guest.StepsPerSecond} steps a second", "Give 0 or more");
        if (guest.HaltAfterSteps < 0) throw Refused($"'{name}' is to halt after {guest.HaltAfterSteps} steps", "Give 0 or more");

        CheckTraces(guest, name, memory, specification.VcpuCount);
        return guest;
    }

    private static void CheckTraces(EmbeddedGuest guest, string name, long memory, int vcpuCount)
    {
        int granularity = guest.WriteTraceGranularityBytes;
        if (granularity != 0 && (granularity < GuestMemory.PageSizeBytes || granularity > memory || !BitOperations.IsPow2(granularity)))
        {
            throw Refused($"'{name}' asks for write traces of {granularity} bytes", $"Give 0, or a power of two from 4096 to {memory}");
        }

        if (guest.TraceArmingVcpus < 0 || guest.TraceArmingVcpus > vcpuCount)
        {
            throw Refused($"'{name}' asks for {guest.TraceArmingVcpus} vCPUs to arm write traces", $"Give 0 to {vcpuCount}");
        }

        if (guest.TraceFaultTime < TimeSpan.Zero || guest.TraceFaultTime > maxTraceFaultTime)
        {
            throw Refused(
                $"'{name}' asks for write faults of {guest.TraceFaultTime.TotalMilliseconds} ms",
                $"Give 0 to {maxTraceFaultTime.TotalMilliseconds} ms");
        }
    }

    private static MigrationException Refused(string fault, string advice) =>
        new(MigrationErrorReason.InvalidArgument, fault + ".", advice + ".");
}
