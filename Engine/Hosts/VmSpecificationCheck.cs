using System.Text.RegularExpressions;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;

namespace VmMigration.Engine.Hosts;

/// <summary>Refuses specifications and host names that no hypervisor could make anything of. Pure.</summary>
internal static partial class VmSpecificationCheck
{
    private const long MemoryUnitBytes = 2 << 20;
    private const int MaxVcpus = 64;

    /// <summary>Checks what every hypervisor requires.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/> with the value and its limits.</exception>
    public static void Require(VmSpecification specification)
    {
        if (specification.Id == Guid.Empty) throw Invalid("A VM needs an id other than zeros.");
        if (!VmName().IsMatch(specification.Name))
        {
            throw Invalid($"'{specification.Name}' is no name for a VM: 1 to 64 of A-Z a-z 0-9 . _ -, starting with a letter or digit.");
        }

        if (specification.MemoryBytes <= 0 || specification.MemoryBytes % MemoryUnitBytes != 0)
        {
            throw Invalid($"'{specification.Name}' asks for {specification.MemoryBytes} bytes of memory, which is no positive multiple of 2 MiB.");
        }

        if (specification.Backing == MemoryBacking.Invalid || !Enum.IsDefined(specification.Backing))
        {
            throw Invalid($"'{specification.Name}' asks for memory on {specification.Backing} pages, which is no backing.");
        }

        if (specification.VcpuCount is < 1 or > MaxVcpus)
        {
            throw Invalid($"'{specification.Name}' asks for {specification.VcpuCount} vCPUs; 1 to {MaxVcpus} can be had.");
        }

        if (specification.Hypervisor == HypervisorKind.Invalid)
        {
            throw Invalid($"'{specification.Name}' must name either an embedded or a QEMU guest, and not both.");
        }

        if (specification is { Backing: MemoryBacking.HugeTlb, Embedded: not null })
        {
            throw Invalid($"'{specification.Name}' asks for {MemoryBacking.HugeTlb} pages, which embedded VMs do not take;"
                + $" {MemoryBacking.TransparentHugePages} they do.");
        }

        if (specification.Embedded is not null) EmbeddedSpecification.Check(specification);
    }

    /// <summary>Checks the name of a host.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/>.</exception>
    public static void RequireHostName(string name)
    {
        if (!HostName().IsMatch(name)) throw Invalid($"'{name}' is no name for a host: 1 to 64 of A-Z a-z 0-9 . _ -.");
    }

    private static MigrationException Invalid(string message) => new(MigrationErrorReason.InvalidArgument, message);

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\z")]
    private static partial Regex VmName();

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,64}\z")]
    private static partial Regex HostName();
}
