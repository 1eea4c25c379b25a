using System.Globalization;
using System.IO.Compression;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// A small Linux guest built from what the distribution has installed: the newest kernel in /boot and busybox as the whole user land.
/// It fills memory with random data, goes on rewriting a part of it, and prints <c>tick N uptime</c> on the serial console every second;
/// the line <c>FILLED</c> says that the data is in place. It follows a shutdown request.
/// </summary>
public sealed record QemuDemoGuest
{
    private const int MiBShift = 20;
    private const string KernelPrefix = "vmlinuz-";

    /// <summary>
    /// Memory that holds random data once the guest is filled, in bytes, <see cref="RewriteBytes"/> included; a multiple of 1 MiB.
    /// </summary>
    public long FillBytes { get; init; } = 464L << MiBShift;

    /// <summary>The part of it that is written over and over, in bytes; a multiple of 1 MiB, at most half; 0 rewrites nothing.</summary>
    public long RewriteBytes { get; init; } = 64L << MiBShift;

    /// <summary>Directory of kernel images named <c>vmlinuz-VERSION</c>.</summary>
    public string KernelDirectory { get; init; } = "/boot";

    /// <summary>The statically linked busybox.</summary>
    public string BusyboxPath { get; init; } = "/bin/busybox";

    /// <summary>Reports why the guest cannot be built here, and what to install; null where it can.</summary>
    public string? FindObstacle()
    {
        if (FindKernel() is null)
        {
            return $"No readable kernel image {KernelDirectory}/{KernelPrefix}* was found. Install one: "
                + "'apt-get install linux-image-cloud-amd64' on Debian, 'apt-get install linux-image-virtual' on Ubuntu, "
                + "'dnf install kernel-core' on Fedora.";
        }

        if (!File.Exists(BusyboxPath) || IsDynamic(BusyboxPath))
        {
            return $"{BusyboxPath} is not there or not statically linked. Install it: "
                + "'apt-get install busybox-static' on Debian and Ubuntu, 'dnf install busybox' on Fedora.";
        }

        return null;
    }

    /// <summary>Builds the guest.</summary>
    /// <param name="directory">
    /// Where its initial file system is written; every host the VM may move to must find it under the same path. An equal file that is
    /// there already stays.
    /// </param>
    /// <param name="cancellationToken">Cancels the building.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.PrerequisiteMissing"/> naming the package; <see cref="MigrationErrorReason.InvalidArgument"/>.
    /// </exception>
    public async Task<QemuGuest> BuildAsync(string directory, CancellationToken cancellationToken)
    {
        CheckSizes();
        if (FindObstacle() is { } obstacle) throw new MigrationException(MigrationErrorReason.PrerequisiteMissing, obstacle);
        string kernel = FindKernel()!;
        byte[] archive = await BuildInitialFileSystemAsync(kernel, cancellationToken).ConfigureAwait(false);
        Directory.CreateDirectory(directory);
        string initrd = Path.Combine(Path.GetFullPath(directory), "demo-guest.cpio.gz");
        if (!await HoldsAsync(initrd, archive, cancellationToken).ConfigureAwait(false))
        {
            // Renamed into place: a QEMU that starts at this moment reads the old file or the new one.
            string temporary = $"{initrd}.{Guid.NewGuid():N}";
            await File.WriteAllBytesAsync(temporary, archive, cancellationToken).ConfigureAwait(false);
            File.Move(temporary, initrd, overwrite: true);
        }

        long rewriteMiB = RewriteBytes >> MiBShift;
        long fillMiB = (FillBytes >> MiBShift) - rewriteMiB;
        return new QemuGuest
        {
            KernelPath = kernel,
            InitrdPath = initrd,
            KernelCommandLine = string.Create(
                CultureInfo.InvariantCulture, $"console=ttyS0 quiet panic=0 no_timer_check fill_mib={fillMiB} rewrite_mib={rewriteMiB}"),
        };
    }

    private void CheckSizes()
    {
        const long MiB = 1L << MiBShift;
        if (FillBytes >= 0 && RewriteBytes >= 0 && FillBytes % MiB == 0 && RewriteBytes % MiB == 0 && RewriteBytes <= FillBytes / 2) return;
        throw new MigrationException(
            MigrationErrorReason.InvalidArgument,
            $"A demo guest cannot fill {FillBytes} bytes and rewrite {RewriteBytes} of them.",
            "Give multiples of 1 MiB, and at most half of the filled memory to rewrite.");
    }

    /// <summary>Path of the newest kernel by the order of version numbers that is readable; null where there is none.</summary>
    private string? FindKernel() => !Directory.Exists(KernelDirectory) ? null : Directory
        .EnumerateFiles(KernelDirectory, KernelPrefix + "*")
        .Where(IsReadable)
        .OrderBy(path => Path.GetFileName(path), StringComparer.Create(CultureInfo.InvariantCulture, CompareOptions.NumericOrdering))
        .LastOrDefault();

    private async Task<byte[]> BuildInitialFileSystemAsync(string kernel, CancellationToken cancellationToken)
    {
        using var result = new MemoryStream();
        await using (var compressed = new GZipStream(result, CompressionLevel.Optimal, leaveOpen: true))
        {
            var archive = new NewcArchive(compressed);
            foreach (string directory in (string[])["bin", "modules"]) archive.AddDirectory(directory);
            archive.AddFile("bin/busybox", await File.ReadAllBytesAsync(BusyboxPath, cancellationToken).ConfigureAwait(false));
            archive.AddFile("init", ReadInit());
            foreach ((string name, string path) in FindModules(kernel))
            {
                archive.AddFile($"modules/{name}", await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false));
            }

            archive.Finish();
        }

        return result.ToArray();
    }

    /// <summary>
    /// The power button's driver and the interface acpid reads it through, where this kernel has them as modules that busybox can load
    /// (not compressed). A kernel with both built in needs none; with neither, the guest does not follow a shutdown request.
    /// </summary>
    private static IEnumerable<(string Name, string Path)> FindModules(string kernel)
    {
        string version = Path.GetFileName(kernel)[KernelPrefix.Length..];
        string drivers = $"/lib/modules/{version}/kernel/drivers";
        return new[] { ("1-evdev.ko", $"{drivers}/input/evdev.ko"), ("2-button.ko", $"{drivers}/acpi/button.ko") }
            .Where(module => File.Exists(module.Item2));
    }

    private static byte[] ReadInit()
    {
        using Stream resource = typeof(QemuDemoGuest).Assembly.GetManifestResourceStream("QemuDemoGuestInit.sh")
            ?? throw new InvalidOperationException("The demo guest's init script is not embedded in the assembly.");
        using var copy = new MemoryStream();
        resource.CopyTo(copy);
        return copy.ToArray();
    }

    private static async Task<bool> HoldsAsync(string path, byte[] contents, CancellationToken cancellationToken) =>
        File.Exists(path)
        && new FileInfo(path).Length == contents.Length
        && (await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false)).AsSpan().SequenceEqual(contents);

    private static bool IsReadable(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            return true;
        }
        catch (UnauthorizedAccessException)
        {
            // Ubuntu lets only root read its kernels.
            return false;
        }
    }

    /// <summary>Whether a program asks for an interpreter (PT_INTERP of elf(5)), which the guest would not have.</summary>
    private static bool IsDynamic(string path)
    {
        using var reader = new BinaryReader(File.OpenRead(path));
        byte[] header = reader.ReadBytes(64);
        if (header.Length < 64 || !header.AsSpan(0, 4).SequenceEqual("\u007fELF"u8)) return true;
        long table = BitConverter.ToInt64(header, 32);
        int entryBytes = BitConverter.ToUInt16(header, 54);
        int entries = BitConverter.ToUInt16(header, 56);
        for (int index = 0; index < entries; index++)
        {
            reader.BaseStream.Position = table + (long)index * entryBytes;
            const int Interpreter = 3;
            if (reader.ReadInt32() == Interpreter) return true;
        }

        return false;
    }
}
