using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using Xunit;

namespace VmMigration.Functional.Tests.Disks;

/// <summary>
/// A Linux guest that writes files with their checksums to its disks all the time: an ext4 file system on the first, another on the second.
/// The third, which is read-only, holds a text that it prints. It unmounts both when it is asked to shut down.
/// </summary>
internal static class DiskGuest
{
    private const long MiB = 1 << 20;

    // A file of 512 KiB a round, and its checksum beside it; forty names, so that later rounds overwrite what earlier ones wrote.
    private const string Init = """
        #!/bin/busybox sh
        B=/bin/busybox
        $B --install -s /bin
        mkdir -p /proc /sys /dev /mnt/a /mnt/b /etc/acpi/PWRF
        mount -t proc proc /proc
        mount -t sysfs sysfs /sys
        mount -t devtmpfs devtmpfs /dev
        for module in /modules/*.ko; do insmod "$module"; done
        printf '#!/bin/busybox sh\n/bin/busybox touch /stop\n' > /etc/acpi/PWRF/00000080
        chmod 755 /etc/acpi/PWRF/00000080
        acpid -l /dev/null
        mount -t ext4 /dev/vda /mnt/a && mount -t ext4 /dev/vdb /mnt/b && echo MOUNTED
        head -c 16 /dev/vdc
        echo
        round=0
        while [ ! -f /stop ]; do
            round=$((round + 1))
            for disk in a b; do
                file=$((round % 40))
                cd /mnt/$disk
                dd if=/dev/urandom of=file$file bs=64k count=8 2>/dev/null
                sha256sum file$file > sum$file
            done
            sync
            echo "tick $round 0"
            cd /
        done
        umount /mnt/a && umount /mnt/b && echo UNMOUNTED
        poweroff -f
        """;

    private static readonly string[] modules =
    [
        "virtio/virtio_ring.ko", "virtio/virtio.ko", "virtio/virtio_pci_legacy_dev.ko", "virtio/virtio_pci_modern_dev.ko",
        "virtio/virtio_pci.ko", "block/virtio_blk.ko", "input/evdev.ko", "acpi/button.ko",
    ];

    /// <summary>Makes the disks and the specification.</summary>
    /// <param name="directory">Where the disks go: a qcow2 image of 2 GiB with so much data in it, a raw one, and a raw one that is read-only.</param>
    /// <param name="bootDirectory">Where the initial file system goes.</param>
    /// <param name="filledBytes">Random data that is on the first disk before the guest begins.</param>
    /// <param name="cancellationToken">Cancels the making.</param>
    public static async Task<VmSpecification> MakeAsync(
        string directory, string bootDirectory, long filledBytes, CancellationToken cancellationToken)
    {
        QemuGuest guest = await new QemuDemoGuest { FillBytes = 0, RewriteBytes = 0 }.BuildAsync(bootDirectory, cancellationToken);
        string initrd = Path.Combine(bootDirectory, "disk-guest.cpio.gz");
        await File.WriteAllBytesAsync(initrd, BuildArchive(guest.KernelPath!), cancellationToken);
        return new()
        {
            Name = "disks01",
            MemoryBytes = 256 * MiB,
            Qemu = guest with
            {
                InitrdPath = initrd,
                Disks =
                [
                    new(await MakeSystemDiskAsync(directory, filledBytes, cancellationToken), "qcow2"),
                    new(await MakeDataDiskAsync(directory, cancellationToken)),
                    new(await MakeReadOnlyDiskAsync(directory, cancellationToken), ReadOnly: true),
                ],
            },
        };
    }

    /// <summary>Runs a program to its end; returns what it printed.</summary>
    public static async Task<string> RunAsync(string program, string[] arguments, CancellationToken cancellationToken, params int[] allowed)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        string said = await output + await errors;
        Assert.True(process.ExitCode == 0 || allowed.Contains(process.ExitCode), $"{program} ended with {process.ExitCode}: {said}");
        return said;
    }

    /// <summary>Checks the file system of an image, and every checksum in it; returns how many there are.</summary>
    public static async Task<int> CheckAsync(string image, string scratch, CancellationToken cancellationToken)
    {
        string raw = Path.Combine(scratch, "checked.raw");
        string files = Path.Combine(scratch, "checked");
        await RunAsync("qemu-img", ["check", "-q", image], cancellationToken, allowed: 63);
        await RunAsync("qemu-img", ["convert", "-O", "raw", image, raw], cancellationToken);

        // Not a word of anything to repair: the guest has unmounted it.
        await RunAsync("/sbin/e2fsck", ["-fn", raw], cancellationToken);
        Directory.CreateDirectory(files);
        await RunAsync("/sbin/debugfs", ["-R", $"rdump / {files}", raw], cancellationToken);
        string[] sums = Directory.GetFiles(files, "sum*");
        string checksums = Path.Combine(scratch, "checksums");
        await File.WriteAllLinesAsync(
            checksums, sums.SelectMany(File.ReadAllLines).Select(line => line.Replace("  ", $"  {files}/", StringComparison.Ordinal)), cancellationToken);
        await RunAsync("sha256sum", ["--check", "--strict", "--quiet", checksums], cancellationToken);
        Directory.Delete(files, recursive: true);
        File.Delete(raw);
        return sums.Length;
    }

    private static async Task<string> MakeSystemDiskAsync(string directory, long filledBytes, CancellationToken cancellationToken)
    {
        string raw = Path.Combine(directory, "system.raw");
        string content = Directory.CreateDirectory(Path.Combine(directory, "content")).FullName;
        byte[] random = new byte[4 * MiB];
        for (int file = 0; file * random.LongLength < filledBytes; file++)
        {
            new Random(file).NextBytes(random);
            await File.WriteAllBytesAsync(Path.Combine(content, $"filled{file}"), random, cancellationToken);
        }

        await RunAsync("truncate", ["-s", "2G", raw], cancellationToken);
        await RunAsync("/sbin/mkfs.ext4", ["-q", "-F", "-d", content, raw], cancellationToken);
        string image = Path.Combine(directory, "system.qcow2");
        await RunAsync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, image], cancellationToken);
        File.Delete(raw);
        Directory.Delete(content, recursive: true);
        return image;
    }

    private static async Task<string> MakeDataDiskAsync(string directory, CancellationToken cancellationToken)
    {
        string image = Path.Combine(directory, "data.raw");
        await RunAsync("truncate", ["-s", "64M", image], cancellationToken);
        await RunAsync("/sbin/mkfs.ext4", ["-q", "-F", image], cancellationToken);
        return image;
    }

    private static async Task<string> MakeReadOnlyDiskAsync(string directory, CancellationToken cancellationToken)
    {
        string image = Path.Combine(directory, "read-only.raw");
        byte[] text = new byte[MiB];
        Encoding.ASCII.GetBytes("READ-ONLY-ARRIVE").CopyTo(text, 0);
        await File.WriteAllBytesAsync(image, text, cancellationToken);
        return image;
    }

    private static byte[] BuildArchive(string kernel)
    {
        string drivers = $"/lib/modules/{Path.GetFileName(kernel)["vmlinuz-".Length..]}/kernel/drivers";
        using var result = new MemoryStream();
        using (var compressed = new GZipStream(result, CompressionLevel.Fastest, leaveOpen: true))
        {
            var archive = new NewcArchive(compressed);
            foreach (string directory in (string[])["bin", "modules"]) archive.AddDirectory(directory);
            archive.AddFile("bin/busybox", File.ReadAllBytes("/bin/busybox"));
            archive.AddFile("init", Encoding.ASCII.GetBytes(Init));
            for (int index = 0; index < modules.Length; index++)
            {
                string path = $"{drivers}/{modules[index]}";
                if (File.Exists(path)) archive.AddFile($"modules/{index}.ko", File.ReadAllBytes(path));
            }

            archive.Finish();
        }

        return result.ToArray();
    }
}
