using System.Buffers.Binary;
using System.Text;
using VmMigration.Engine.Disks;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>What images say of themselves, and how those are refused that cannot be handled.</summary>
public sealed class DiskImageTests : IDisposable
{
    private const int MiB = 1 << 20;

    private readonly QemuImages images = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => images.Dispose();

    [Fact]
    public async Task A_qcow2_image_is_described_with_the_size_its_guest_sees()
    {
        string path = images.MakeEmpty("a.qcow2", 3L << 30);
        string link = images.PathOf("link");
        File.CreateSymbolicLink(link, path);
        DiskDescription disk = await DescribeAsync(link);
        Assert.Equal((path, DiskFormat.Qcow2, 3L << 30, false), (disk.Path, disk.Format, disk.VirtualSizeBytes, disk.IsBeingWritten));
        Assert.Equal(new FileInfo(path).Length, disk.Generation.SizeBytes);
        Assert.Equal(disk.Generation, DiskImage.ReadGeneration(path));
        await File.AppendAllTextAsync(path, "x", Cancel);
        Assert.NotEqual(disk.Generation, DiskImage.ReadGeneration(path));
    }

    [Fact]
    public async Task An_image_that_another_process_may_write_is_seen_as_written_until_that_ends()
    {
        string path = images.MakeEmpty("a.qcow2", MiB);
        await using (ImageContents reader = await ImageContents.OpenAsync(path, DiskFormat.Qcow2, MiB, isReadOnly: true, 1, Cancel))
        {
            Assert.False((await DescribeAsync(path)).IsBeingWritten);
        }

        await using (ImageContents writer = await ImageContents.OpenAsync(path, DiskFormat.Qcow2, MiB, isReadOnly: false, 1, Cancel))
        {
            Assert.True((await DescribeAsync(path)).IsBeingWritten);
            MigrationException error = await Assert.ThrowsAsync<MigrationException>(
                () => ImageContents.OpenAsync(path, DiskFormat.Qcow2, MiB, isReadOnly: true, 1, Cancel));
            Assert.Equal(MigrationErrorReason.DiskInUse, error.Reason);
        }

        Assert.False((await DescribeAsync(path)).IsBeingWritten);
    }

    [Theory]
    [InlineData("vmdk", "VMDK")]
    [InlineData("vdi", "VDI")]
    [InlineData("vhdx", "VHDX")]
    [InlineData("qed", "QED")]
    [InlineData("parallels", "Parallels")]
    public async Task Other_formats_are_refused_by_name(string format, string name)
    {
        string path = images.PathOf("disk." + format);
        QemuImages.Run("qemu-img", "create", "-q", "-f", format, path, "1M");
        if (format == "vdi")
        {
            // The words a VDI image begins with are its maker's; what tells the format comes behind them.
            Assert.StartsWith("<<< ", Encoding.ASCII.GetString(await File.ReadAllBytesAsync(path, Cancel), 0, 4), StringComparison.Ordinal);
        }

        MigrationException error = await Assert.ThrowsAsync<MigrationException>(() => DescribeAsync(path));
        Assert.Equal(MigrationErrorReason.DiskFormatUnsupported, error.Reason);
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Encrypted_images_and_those_with_their_data_elsewhere_are_refused()
    {
        string encrypted = images.MakeEmpty(
            "secret.qcow2", MiB, "--object", "secret,id=s,data=word", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10");
        string split = images.MakeEmpty("split.qcow2", MiB, "-o", $"data_file={images.PathOf("data.raw")}");
        Assert.Contains("encrypted", (await Assert.ThrowsAsync<MigrationException>(() => DescribeAsync(encrypted))).Message, StringComparison.Ordinal);
        Assert.Contains("data.raw", (await Assert.ThrowsAsync<MigrationException>(() => DescribeAsync(split))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Broken_headers_end_in_a_clear_error_or_a_description_and_never_in_anything_else()
    {
        string path = images.MakeEmpty("good.qcow2", 64 * MiB);
        byte[] good = await File.ReadAllBytesAsync(path, Cancel);
        var random = new Random(11);
        string broken = images.PathOf("broken.qcow2");
        int refused = 0;
        for (int round = 0; round < 40; round++)
        {
            byte[] bytes = [.. good];
            if (round % 2 == 0) random.NextBytes(bytes.AsSpan(4, random.Next(1, 100)));
            else bytes = bytes[..random.Next(4, 200)];
            await File.WriteAllBytesAsync(broken, bytes, Cancel);
            try
            {
                DiskDescription disk = await DescribeAsync(broken);
                Assert.Equal(DiskFormat.Qcow2, disk.Format);
            }
            catch (MigrationException error)
            {
                Assert.Equal(MigrationErrorReason.DiskFormatUnsupported, error.Reason);
                Assert.Contains(broken, error.Message, StringComparison.Ordinal);
                refused++;
            }
        }

        Assert.InRange(refused, 30, 40);
    }

    [Theory]
    [InlineData(36, 0x7fffffff)]
    [InlineData(60, 0x7fffffff)]
    [InlineData(56, 0x7fffffff)]
    public async Task Tables_that_a_header_claims_to_be_huge_are_refused(int offset, int value)
    {
        // l1_size at 36, refcount_table_clusters at 56 and nb_snapshots at 60 (docs/interop/qcow2.txt).
        string path = images.MakeEmpty("huge.qcow2", MiB);
        using (FileStream file = File.Open(path, FileMode.Open))
        {
            byte[] number = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(number, value);
            file.Position = offset;
            file.Write(number);
        }

        MigrationException error = await Assert.ThrowsAsync<MigrationException>(() => DescribeAsync(path));
        Assert.Equal(MigrationErrorReason.DiskFormatUnsupported, error.Reason);
    }

    [Fact]
    public async Task A_chain_is_read_as_one_disk_and_a_write_to_its_base_is_noticed()
    {
        string disk = images.MakeRaw("base.raw", 2 * MiB);
        string overlay = images.PathOf("overlay.qcow2");
        QemuImages.Run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", disk, overlay);
        DiskDescription described = await DescribeAsync(overlay);
        Assert.Equal((disk, DiskFormat.Raw), (described.BackingPath, described.BackingFormat));
        SourceImage image = await SourceImage.OpenAsync(described, new() { DestinationFormat = DiskFormat.Raw }, 1, Cancel);
        await using (image.Contents)
        {
            byte[] bytes = new byte[2 * MiB];
            image.Contents.Read(0, bytes);
            Assert.Equal(await File.ReadAllBytesAsync(disk, Cancel), bytes);
            Assert.Equal(described.Generation, image.ReadGeneration());
            File.SetLastWriteTimeUtc(disk, DateTime.UtcNow.AddMinutes(1));
            Assert.NotEqual(described.Generation, image.ReadGeneration());
        }

        Assert.NotEqual(described.Generation, (await DescribeAsync(overlay)).Generation);
    }

    [Fact]
    public async Task An_overlay_that_does_not_say_what_is_below_is_not_read_inside()
    {
        string below = images.MakeRaw("base.raw", MiB);
        string overlay = images.PathOf("overlay.qcow2");
        QemuImages.Run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", below, overlay);
        byte[] bytes = await File.ReadAllBytesAsync(overlay, Cancel);

        // The type of the header's extension that names the format (docs/interop/qcow2.txt) becomes one that nobody knows.
        int extension = bytes.AsSpan().IndexOf<byte>([0xe2, 0x79, 0x2a, 0xca]);
        bytes[extension] = 0x12;
        await File.WriteAllBytesAsync(overlay, bytes, Cancel);
        DiskDescription described = await DescribeAsync(overlay);
        MigrationException error = await Assert.ThrowsAsync<MigrationException>(
            () => SourceImage.OpenAsync(described, new() { DestinationFormat = DiskFormat.Raw }, 1, Cancel));
        Assert.Equal(MigrationErrorReason.DiskFormatUnsupported, error.Reason);
    }

    private static Task<DiskDescription> DescribeAsync(string path) => DiskImage.DescribeAsync("host", path, Cancel);
}
