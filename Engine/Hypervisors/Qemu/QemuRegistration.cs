using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Finds out what a QEMU that something else started was made from, by its command line and by asking it.</summary>
internal static partial class QemuRegistration
{
    private const long MemoryGranularityBytes = 2 << 20;

    /// <summary>Reads the specification of a running QEMU.</summary>
    /// <param name="process">The QEMU.</param>
    /// <param name="ram">Its RAM.</param>
    /// <param name="name">Name to give the VM; null takes QEMU's, or one made from the process id where that is no valid name.</param>
    /// <param name="cancellationToken">Cancels the asking.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where it waits for a migration of its own or has RAM of an odd size.
    /// </exception>
    public static async Task<VmSpecification> ReadAsync(QemuProcess process, QemuRam ram, string? name, CancellationToken cancellationToken)
    {
        QmpClient qmp = process.Qmp;
        int processId = process.Handle.ProcessId;
        if (await QemuStatus.ReadAsync(qmp, cancellationToken).ConfigureAwait(false) is { State: VmState.Incoming })
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState, $"QEMU (process {processId}) waits for an incoming migration.",
                "Let that migration end first.");
        }

        if (ram.Memory.SizeBytes % MemoryGranularityBytes != 0)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState,
                $"QEMU (process {processId}) has {ram.Memory.SizeBytes} bytes of RAM, no multiple of 2 MiB.");
        }

        string[] commandLine = Encoding.UTF8.GetString(QemuLauncher.ReadCommandLine(processId)).TrimEnd('\0').Split('\0');
        VmSpecification read = QemuCommandLineReader.Read(commandLine[1..], ram.BlockName.Length > 0 ? ram.BlockName : "pc.ram");
        JsonElement vcpus = await qmp.ExecuteAsync("query-cpus-fast", cancellationToken).ConfigureAwait(false);
        JsonElement kvm = await qmp.ExecuteAsync("query-kvm", cancellationToken).ConfigureAwait(false);
        string machine = await PinMachineAsync(qmp, read.Qemu!.MachineType, cancellationToken).ConfigureAwait(false);
        return read with
        {
            Id = read.Id == Guid.Empty ? Guid.NewGuid() : read.Id,
            Name = name ?? (ValidName().IsMatch(read.Name) ? read.Name : string.Create(CultureInfo.InvariantCulture, $"qemu-{processId}")),
            MemoryBytes = ram.Memory.SizeBytes,
            Backing = ram.Backing,
            VcpuCount = vcpus.GetArrayLength(),
            Qemu = read.Qemu with
            {
                MachineType = machine,
                Accelerator = kvm.GetProperty("enabled").GetBoolean() ? QemuAccelerator.Kvm : QemuAccelerator.Tcg,
            },
        };
    }

    /// <summary>
    /// Puts the versioned name of the running machine in place of an alias, so that another version of QEMU builds the same.
    /// </summary>
    public static async Task<string> PinMachineAsync(QmpClient qmp, string machineType, CancellationToken cancellationToken)
    {
        const string TypeSuffix = "-machine";
        string? type = await QemuRam.ReadPropertyAsync(qmp, "/machine", "type", cancellationToken).ConfigureAwait(false);
        if (type is null || !type.EndsWith(TypeSuffix, StringComparison.Ordinal)) return machineType;
        int comma = machineType.IndexOf(',', StringComparison.Ordinal);
        return type[..^TypeSuffix.Length] + (comma < 0 ? "" : machineType[comma..]);
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    private static partial Regex ValidName();
}
