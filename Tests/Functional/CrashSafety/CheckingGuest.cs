using System.IO.Compression;
using System.Text;
using VmMigration.Engine.Hypervisors.Qemu;

namespace VmMigration.Functional.Tests.CrashSafety;

/// <summary>
/// A Linux guest that keeps random data, changes other data all the time, and looks several times a second whether the first is still what it
/// was: it prints <c>tick N</c> where it is, <c>corrupt N</c> where not.
/// </summary>
internal static class CheckingGuest
{
    public const long MemoryBytes = 96L << 20;

    private const string Init = """
        #!/bin/busybox sh
        B=/bin/busybox
        $B mkdir -p /dev
        $B mount -t devtmpfs devtmpfs /dev
        $B dd if=/dev/urandom of=/kept bs=1M count=8 2>/dev/null
        sum=$($B md5sum /kept)
        n=0
        while true; do
            n=$((n + 1))
            $B dd if=/dev/urandom of=/changed bs=64k count=8 conv=notrunc 2>/dev/null
            if [ "$($B md5sum /kept)" = "$sum" ]; then echo "tick $n"; else echo "corrupt $n"; fi
            $B sleep 0.2
        done
        """;

    /// <summary>Builds the guest in a directory that both hosts reach.</summary>
    public static async Task<QemuGuest> BuildAsync(string directory, CancellationToken cancellationToken)
    {
        QemuGuest demo = await new QemuDemoGuest { FillBytes = 0, RewriteBytes = 0 }.BuildAsync(directory, cancellationToken);
        string initrd = Path.Combine(directory, "checking-guest.cpio.gz");
        await using (var compressed = new GZipStream(File.Create(initrd), CompressionLevel.Fastest))
        {
            var archive = new NewcArchive(compressed);
            archive.AddDirectory("bin");
            archive.AddFile("bin/busybox", await File.ReadAllBytesAsync(new QemuDemoGuest().BusyboxPath, cancellationToken));
            archive.AddFile("init", Encoding.ASCII.GetBytes(Init.ReplaceLineEndings("\n")));
            archive.Finish();
        }

        return demo with
        {
            InitrdPath = initrd,
            KernelCommandLine = "console=ttyS0 quiet panic=0 no_timer_check",
            Accelerator = QemuAccelerator.Tcg,
        };
    }
}
