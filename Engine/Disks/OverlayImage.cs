using System.ComponentModel;
using System.Diagnostics;
using System.Security.Cryptography;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;

namespace VmMigration.Engine.Disks;

/// <summary>Overlays: qcow2 images that hold what was written since they were put on top of another (qemu-img(1), create -b).</summary>
internal static class OverlayImage
{
    private const string Program = "qemu-img";

    /// <summary>Makes an empty overlay beside an image, durable when the task ends, and returns the disk with it on top.</summary>
    /// <param name="disk">A disk without overlay.</param>
    /// <param name="mergePending">See <see cref="QemuDiskBase.MergePending"/>.</param>
    /// <param name="cancellationToken">Cancels the making.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.PrerequisiteMissing"/> without qemu-img; <see cref="MigrationErrorReason.HypervisorFailed"/> with its words.
    /// </exception>
    public static async Task<QemuDisk> PutOnAsync(QemuDisk disk, bool mergePending, CancellationToken cancellationToken)
    {
        QemuDisk result = Choose(disk, mergePending);
        await CreateAsync(result, cancellationToken).ConfigureAwait(false);
        return result;
    }

    /// <summary>Chooses the name of an overlay beside an image; makes nothing.</summary>
    public static QemuDisk Choose(QemuDisk disk, bool mergePending)
    {
        string path = Path.GetFullPath(disk.Path);
        string name = $"{Path.GetFileNameWithoutExtension(path)}.overlay-{RandomNumberGenerator.GetHexString(8, lowercase: true)}.qcow2";
        return disk with
        {
            Path = Path.Combine(Path.GetDirectoryName(path)!, name), Format = "qcow2", Base = new(path, disk.Format, mergePending),
        };
    }

    /// <summary>Makes the empty overlay that a disk names, with the owner's rights of the image below.</summary>
    public static async Task CreateAsync(QemuDisk disk, CancellationToken cancellationToken)
    {
        QemuDiskBase image = disk.Base ?? throw new ArgumentException("The disk has no overlay.", nameof(disk));
        try
        {
            await RunAsync(
                ["create", "-q", "-f", disk.Format, "-F", image.Format, "-b", image.Path, disk.Path], cancellationToken).ConfigureAwait(false);
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(disk.Path, File.GetUnixFileMode(image.Path));
            using FileStream file = File.OpenWrite(disk.Path);
            file.Flush(flushToDisk: true);
        }
        catch
        {
            File.Delete(disk.Path);
            throw;
        }
    }

    /// <summary>Removes the overlays of a VM that was to arrive with its disks and has not; the images below stay for another try.</summary>
    public static void DeleteArriving(VmSpecification specification)
    {
        foreach (QemuDisk disk in specification.Qemu?.Disks ?? [])
        {
            if (disk.Base is { MergePending: true } && File.Exists(disk.Path)) File.Delete(disk.Path);
        }
    }

    private static async Task RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        using var process = new Process
        {
            StartInfo = new(Program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false },
        };
        try
        {
            process.Start();
        }
        catch (Win32Exception error)
        {
            throw new MigrationException(
                MigrationErrorReason.PrerequisiteMissing, $"{Program} cannot be run: {error.Message}",
                "Install it (apt-get install qemu-utils).", error);
        }

        Task<string> output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        Task<string> errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
            throw;
        }

        string words = (await errors.ConfigureAwait(false) + await output.ConfigureAwait(false)).Trim();
        if (process.ExitCode == 0) return;
        throw new MigrationException(MigrationErrorReason.HypervisorFailed, $"{Program} {arguments[0]} failed: {words}");
    }
}
