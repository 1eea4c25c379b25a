using System.Security.Cryptography;
using System.Text;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// Where one QEMU process keeps what it has on the machine: a directory of its own (mode 0700) and a RAM file on a memory file system.
/// </summary>
/// <param name="Directory">Its directory; holds everything but the RAM file, and a link to that.</param>
/// <param name="RamFile">The file that backs the guest's RAM.</param>
public sealed record QemuInstancePaths(string Directory, string RamFile)
{
    /// <summary>Most bytes a unix socket's path can have (unix(7): 108 with the terminating zero).</summary>
    public const int MaxSocketPathBytes = 107;

    /// <summary>What the name of every RAM file begins with.</summary>
    public const string RamFilePrefix = "vmmigration-";

    /// <summary>What the name of every RAM file ends with.</summary>
    public const string RamFileSuffix = ".ram";

    private const string QmpSocketName = "qmp.sock";
    private const string IncomingSocketName = "incoming.sock";

    /// <summary>The QMP unix socket.</summary>
    public string QmpSocket => Path.Combine(Directory, QmpSocketName);

    /// <summary>The unix socket an incoming QEMU reads its state from.</summary>
    public string IncomingSocket => Path.Combine(Directory, IncomingSocketName);

    /// <summary>The file QEMU writes its process id to.</summary>
    public string ProcessIdFile => Path.Combine(Directory, "qemu.pid");

    /// <summary>What the serial console prints.</summary>
    public string SerialLog => Path.Combine(Directory, "serial.log");

    /// <summary>What QEMU itself reports.</summary>
    public string QemuLog => Path.Combine(Directory, "qemu.log");

    /// <summary>A symbolic link to <see cref="RamFile"/>, so that whoever finds the directory finds the RAM file too.</summary>
    public string RamLink => Path.Combine(Directory, "ram");

    /// <summary>Chooses names nobody uses yet for a new process of the VM; creates nothing.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> where the socket's path would be too long.
    /// </exception>
    public static QemuInstancePaths ForNew(string vmsDirectory, string ramDirectory, Guid vmId)
    {
        // Short, because the path of a unix socket is: 8 hexadecimal digits of the id and 6 random ones.
        string random = RandomNumberGenerator.GetHexString(6, lowercase: true);
        var paths = new QemuInstancePaths(
            Path.Combine(vmsDirectory, $"{vmId.ToString("N")[..8]}-{random}"),
            Path.Combine(ramDirectory, $"{RamFilePrefix}{vmId}-{random}{RamFileSuffix}"));
        int length = Encoding.UTF8.GetByteCount(paths.IncomingSocket);
        if (length <= MaxSocketPathBytes) return paths;
        throw new MigrationException(
            MigrationErrorReason.InvalidArgument,
            $"The path {paths.IncomingSocket} has {length} bytes; a unix socket's path can have {MaxSocketPathBytes}.",
            $"Choose a state directory whose path is at least {length - MaxSocketPathBytes} bytes shorter.");
    }

    /// <summary>The paths of a process that was started with <see cref="ForNew"/>, from what identifies it; null for any other.</summary>
    public static QemuInstancePaths? Find(VmInstance instance) =>
        instance is { QmpSocketPath: { } qmp, RamFilePath: { } ram } && Path.GetFileName(qmp) == QmpSocketName && IsRamFile(ram)
            ? new(Path.GetDirectoryName(qmp)!, ram)
            : null;

    /// <summary>Whether a file's name is one that <see cref="ForNew"/> makes.</summary>
    public static bool IsRamFile(string path) =>
        Path.GetFileName(path) is var name
        && name.StartsWith(RamFilePrefix, StringComparison.Ordinal) && name.EndsWith(RamFileSuffix, StringComparison.Ordinal);
}
