using VmMigration.Engine.Disks;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>Transfers of what is inside an image, into a new one of either format.</summary>
public class ConvertedTransferTests
{
    private const long MiB = 1 << 20;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(DiskFormat.Raw, DiskFormat.Qcow2, (9 * MiB) + 12_345)]
    [InlineData(DiskFormat.Raw, DiskFormat.Raw, (9 * MiB) + 12_345)]
    [InlineData(DiskFormat.Qcow2, DiskFormat.Raw, (9 * MiB) + 512)]
    [InlineData(DiskFormat.Qcow2, DiskFormat.Qcow2, 16 * MiB)]
    public async Task What_is_inside_arrives_in_the_format_asked_for(DiskFormat from, DiskFormat to, long sizeBytes)
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync();
        string disk = Make(hosts, from, sizeBytes);

        DiskTransferStatus status = await hosts.CopyAsync(disk, new() { DestinationFormat = to });

        Assert.True(status.State == DiskTransferState.Completed, $"{status.ErrorReason}: {status.ErrorMessage}");
        Assert.Equal(sizeBytes, status.SizeBytes);
        AssertSame(hosts, disk, from, to);
    }

    [Theory]
    [InlineData(DiskFormat.Qcow2)]
    [InlineData(DiskFormat.Raw)]
    public async Task After_cuts_only_the_rest_is_sent_into_the_image(DiskFormat to)
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync();
        string disk = Make(hosts, DiskFormat.Qcow2, 48 * MiB);
        var options = new DiskTransferOptions { DestinationFormat = to, Channels = 1 };
        await hosts.CutAsync(disk, 8 * MiB, options);
        DiskFragment fragment = Assert.Single(await hosts.Destination.Disks.ListDiskFragmentsAsync(Cancel));
        Assert.True(fragment.OffsetBytes > 0, "nothing was recorded");
        await hosts.ReopenDestinationAsync();

        DiskTransferStatus status = await hosts.CopyAsync(disk, options);

        Assert.True(status.State == DiskTransferState.Completed, $"{status.ErrorReason}: {status.ErrorMessage}");
        Assert.Equal((DiskResumptionKind.Continued, fragment.OffsetBytes), (status.Resumption.Kind, status.Resumption.OffsetBytes));
        Assert.True(status.DataBytes + status.ZeroBytes + status.UnchangedBytes <= (48 * MiB) - fragment.OffsetBytes);
        Assert.Equal(0, status.RepairedBytes);
        AssertSame(hosts, disk, DiskFormat.Qcow2, to);
    }

    [Fact]
    public async Task A_fragment_whose_image_was_damaged_is_made_whole_again()
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync();
        string disk = Make(hosts, DiskFormat.Raw, 48 * MiB);
        var options = new DiskTransferOptions { DestinationFormat = DiskFormat.Qcow2, Channels = 1 };
        await hosts.CutAsync(disk, 8 * MiB, options);
        DiskFragment fragment = Assert.Single(await hosts.Destination.Disks.ListDiskFragmentsAsync(Cancel));
        using (FileStream file = File.Open(fragment.Path, FileMode.Open))
        {
            file.Position = 48;
            file.Write([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);
        }

        DiskTransferStatus status = await hosts.CopyAsync(disk, options);

        Assert.True(status.State == DiskTransferState.Completed, $"{status.ErrorReason}: {status.ErrorMessage}");
        Assert.True(status.RepairedBytes > 0, "nothing was asked for again");
        AssertSame(hosts, disk, DiskFormat.Raw, DiskFormat.Qcow2);
    }

    private static string Make(DiskHosts hosts, DiskFormat format, long sizeBytes)
    {
        string raw = hosts.MakeDisk(sizeBytes);
        if (format == DiskFormat.Raw) return raw;
        string path = Path.Combine(hosts.SourceDatastore, "disk.qcow2");
        QemuImages.Run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path);
        File.Delete(raw);
        return path;
    }

    private static void AssertSame(DiskHosts hosts, string disk, DiskFormat from, DiskFormat to)
    {
        string copy = Path.Combine(hosts.DestinationDatastore, Path.GetFileName(disk));
        QemuImages.AssertEqual(disk, QemuImage.NameOf(from), copy, QemuImage.NameOf(to));
        if (to == DiskFormat.Qcow2) QemuImages.AssertSound(copy);
        Assert.Equal([copy], Directory.EnumerateFiles(hosts.DestinationDatastore, "*", SearchOption.AllDirectories));
    }
}
