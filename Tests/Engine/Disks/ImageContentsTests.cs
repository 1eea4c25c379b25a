using System.Diagnostics;
using Serilog;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>What is inside images, read and written through qemu-nbd.</summary>
public sealed class ImageContentsTests : IDisposable
{
    private const int MiB = 1 << 20;

    private readonly QemuImages images = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => images.Dispose();

    [Theory]
    [InlineData(512)]
    [InlineData(3 * MiB)]
    [InlineData((5 * MiB) + 1536)]
    public async Task An_image_reads_as_the_disk_that_was_put_into_it(int sizeBytes)
    {
        string image = images.MakeQcow2("disk.qcow2", sizeBytes);
        byte[] expected = await File.ReadAllBytesAsync(image + ".raw", Cancel);
        await using ImageContents contents = await ReadAsync(image, sizeBytes);

        byte[] actual = new byte[sizeBytes];
        Parallel.For(0, (sizeBytes + 99_999) / 100_000, new ParallelOptions { MaxDegreeOfParallelism = 4 }, part =>
        {
            int offset = part * 100_000;
            contents.Read(offset, actual.AsSpan(offset, Math.Min(100_000, sizeBytes - offset)));
        });

        Assert.Equal(expected, actual);
        long zeros = 0;
        for (long offset = 0; offset < sizeBytes;)
        {
            DiskExtent extent = contents.FindExtent(offset);
            Assert.Equal(offset, extent.OffsetBytes);
            Assert.InRange(extent.EndBytes, offset + 1, sizeBytes);
            if (extent.IsZero)
            {
                Assert.Equal(-1, expected.AsSpan((int)offset, (int)extent.LengthBytes).IndexOfAnyExcept((byte)0));
                zeros += extent.LengthBytes;
            }

            offset = extent.EndBytes;
        }

        if (sizeBytes > MiB) Assert.InRange(zeros, sizeBytes / 3, sizeBytes);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(MiB)]
    [InlineData((3 * MiB) + 777)]
    public async Task What_is_written_into_a_new_image_is_what_qemu_reads_from_it(int sizeBytes)
    {
        string raw = images.MakeRaw("disk.raw", sizeBytes);
        byte[] expected = await File.ReadAllBytesAsync(raw, Cancel);
        string image = images.PathOf("new.qcow2");
        IWritableDisk disk = await FillAsync(image, sizeBytes);
        await using (disk)
        {
            for (int offset = 0; offset < sizeBytes; offset += MiB) disk.Write(offset, expected.AsSpan(offset, Math.Min(MiB, sizeBytes - offset)));
            byte[] back = new byte[sizeBytes];
            disk.Read(0, back);
            Assert.Equal(expected, back);
            disk.Sync();
        }

        QemuImages.AssertEqual(raw, "raw", image, "qcow2");
        QemuImages.AssertSound(image);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, FileStatus.TryRead(image)!.Value.Permissions);
    }

    [Fact]
    public async Task Zeros_take_away_what_was_there_and_no_space_where_nothing_was()
    {
        const long Size = 1L << 40;
        string image = images.PathOf("sparse.qcow2");
        IWritableDisk disk = await FillAsync(image, Size);
        await using (disk)
        {
            byte[] data = [.. Enumerable.Repeat((byte)7, MiB)];
            disk.Write(8L * MiB, data);
            disk.WriteZeros(0, Size);
            disk.Sync();
            disk.Read(8L * MiB, data);
            Assert.Equal(-1, data.AsSpan().IndexOfAnyExcept((byte)0));
            Assert.Equal(new(0, Size, true), Joined(disk, Size));
        }

        Assert.InRange(new FileInfo(image).Length, 1, 4 * MiB);
    }

    [Fact]
    public async Task A_killed_qemu_nbd_ends_readers_and_writers_with_a_clear_error()
    {
        string image = images.PathOf("killed.qcow2");
        IWritableDisk disk = await FillAsync(image, 64 * MiB);
        await using (disk)
        {
            int started = 0;
            void Work(int one)
            {
                byte[] block = new byte[MiB];
                new Random(one).NextBytes(block);
                while (!Cancel.IsCancellationRequested)
                {
                    if (one % 2 == 0) disk.Write(one * 8L * MiB, block);
                    else disk.Read(one * 8L * MiB, block);
                    Interlocked.Increment(ref started);
                }
            }

            Task<MigrationException>[] work =
                [.. Enumerable.Range(0, 4).Select(one => Task.Run(() => Assert.Throws<MigrationException>(() => Work(one)), Cancel))];
            while (Volatile.Read(ref started) < 8) await Task.Delay(1, Cancel);
            using Process server = Process.GetProcessById(((ImageContents)disk).ServerProcessId);
            server.Kill();
            foreach (Task<MigrationException> one in work)
            {
                MigrationException error = await one;
                Assert.Contains("qemu-nbd", error.Message, StringComparison.Ordinal);
                Assert.Contains(image, error.Message, StringComparison.Ordinal);
            }
        }

        // The image is as a power cut leaves it: it is gone on from.
        IWritableDisk again = await FillAsync(image, 64 * MiB);
        await again.DisposeAsync();
        QemuImages.AssertSound(image);
    }

    [Fact]
    public async Task No_qemu_nbd_is_left_when_the_contents_are_closed()
    {
        string image = images.MakeQcow2("disk.qcow2", MiB);
        ImageContents contents = await ReadAsync(image, MiB);
        int processId = contents.ServerProcessId;
        Assert.True(Directory.Exists($"/proc/{processId}"));
        await contents.DisposeAsync();
        Assert.False(Directory.Exists($"/proc/{processId}"));
    }

    [Fact]
    public async Task An_incomplete_image_that_was_damaged_is_made_anew()
    {
        string image = images.MakeQcow2("damaged.qcow2", 4 * MiB);
        using (FileStream file = File.Open(image, FileMode.Open))
        {
            // Where the header says the table of refcounts is: nowhere.
            file.Position = 48;
            file.Write([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);
        }

        IWritableDisk disk = await FillAsync(image, 4 * MiB);
        await using (disk) Assert.Equal(new(0, 4 * MiB, true), Joined(disk, 4 * MiB));
        QemuImages.AssertSound(image);
    }

    [Fact]
    public async Task An_image_with_a_disk_of_another_length_is_refused()
    {
        string image = images.MakeEmpty("other.qcow2", 2 * MiB);
        MigrationException error = await Assert.ThrowsAsync<MigrationException>(() => ReadAsync(image, MiB));
        Assert.Equal(MigrationErrorReason.DiskChanged, error.Reason);
    }

    [Fact]
    public async Task A_full_file_system_is_named_as_such()
    {
        string mount = Directory.CreateDirectory(images.PathOf("small")).FullName;
        QemuImages.Run("mount", "-t", "tmpfs", "-o", "size=4m", "none", mount);
        try
        {
            IWritableDisk disk = await FillAsync(Path.Combine(mount, "disk.qcow2"), 64 * MiB);
            await using (disk)
            {
                byte[] block = new byte[MiB];
                new Random(1).NextBytes(block);
                MigrationException error = Assert.Throws<MigrationException>(() =>
                {
                    for (int offset = 0; offset < 64 * MiB; offset += MiB) disk.Write(offset, block);
                });
                Assert.Equal(MigrationErrorReason.OutOfSpace, error.Reason);
            }
        }
        finally
        {
            QemuImages.Run("umount", mount);
        }
    }

    private static Task<ImageContents> ReadAsync(string path, long sizeBytes) =>
        ImageContents.OpenAsync(path, DiskFormat.Qcow2, sizeBytes, isReadOnly: true, 2, Cancel);

    private static Task<IWritableDisk> FillAsync(string path, long sizeBytes) =>
        IncompleteImage.OpenAsync(path, DiskFormat.Qcow2, sizeBytes, 2, Log.Logger, Cancel);

    private static DiskExtent Joined(IWritableDisk disk, long sizeBytes)
    {
        long offset = 0;
        while (offset < sizeBytes)
        {
            DiskExtent extent = disk.FindExtent(offset);
            if (!extent.IsZero) return extent;
            offset = extent.EndBytes;
        }

        return new(0, offset, true);
    }
}
