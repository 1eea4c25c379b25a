using System.Security.Cryptography;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>Two hosts in this process, each with a datastore of its own, that copy disks to each other over loopback.</summary>
internal sealed class DiskHosts : IAsyncDisposable
{
    private const int MiB = 1 << 20;

    private readonly DirectoryInfo root;

    private DiskHosts(DirectoryInfo root, LocalHost source, LocalHost destination)
    {
        this.root = root;
        Source = source;
        Destination = destination;
    }

    public LocalHost Source { get; }

    public LocalHost Destination { get; private set; }

    public string SourceDatastore => Path.Combine(root.FullName, "a", "disks");

    public string DestinationDatastore => Path.Combine(root.FullName, "b", "disks");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<DiskHosts> OpenAsync(LinkSecurity? security = null)
    {
        DirectoryInfo root = Directory.CreateTempSubdirectory("vmm-disks-");
        return new(root, await OpenAsync(root, "a", security), await OpenAsync(root, "b", security));
    }

    /// <summary>Closes the destination and opens it again on its directory.</summary>
    public async Task ReopenDestinationAsync()
    {
        await Destination.DisposeAsync();
        Destination = await OpenAsync(root, "b", null);
    }

    /// <summary>Makes a sparse disk at the source: about half of its blocks hold data, some are zeros that were written, the rest are holes.</summary>
    public string MakeDisk(long sizeBytes, int seed = 1, string name = "disk.raw")
    {
        var random = new Random(seed);
        string path = Path.Combine(SourceDatastore, name);
        byte[] block = new byte[MiB];
        using FileStream file = File.Create(path);
        file.SetLength(sizeBytes);
        for (long offset = 0; offset < sizeBytes; offset += MiB)
        {
            int kind = random.Next(4);
            if (kind < 2) random.NextBytes(block);
            else if (kind == 2) Array.Clear(block);
            else continue;
            file.Position = offset;
            file.Write(block, 0, (int)Math.Min(MiB, sizeBytes - offset));
        }

        return path;
    }

    /// <summary>Copies a disk and waits for the end.</summary>
    public async Task<DiskTransferStatus> CopyAsync(string path, DiskTransferOptions? options = null)
    {
        DiskTransferStatus started = await DiskTransferBroker.StartAsync(
            Source, path, Destination, null, options ?? new(), MobilityPathChoice.Direct, Cancellation);
        return await WaitAsync(started.Id);
    }

    /// <summary>Copies a disk over a connection that breaks after so many bytes, and waits for the end.</summary>
    public async Task<DiskTransferStatus> CutAsync(string path, long afterBytes, DiskTransferOptions? options = null)
    {
        options ??= new();
        DiskDescription disk = await Source.Disks.DescribeDiskAsync(path, Cancellation);
        IncomingDiskOffer offer = await Destination.Disks.PrepareIncomingDiskAsync(
            new(Guid.NewGuid(), disk, null, options), Cancellation);
        await using var proxy = new Migration.CuttingProxy(
            new(System.Net.IPAddress.Parse(offer.Offer.Address), offer.Offer.Port), afterBytes);
        DiskTransferStatus started = await Source.Disks.StartDiskTransferAsync(
            new(disk.Path, offer with { Offer = offer.Offer with { Port = proxy.Endpoint.Port } }, options), Cancellation);
        DiskTransferStatus ended = await WaitAsync(started.Id);

        Assert.True(ended.State != DiskTransferState.Completed, $"All of the disk passed in {afterBytes} bytes.");

        // The destination notices the cut on its own time.
        while ((await Destination.Disks.ListDiskFragmentsAsync(Cancellation)).Count == 0
            && Directory.EnumerateFiles(DestinationDatastore, "*", SearchOption.AllDirectories).Any())
        {
            await Task.Delay(10, Cancellation);
        }

        return ended;
    }

    public async Task<DiskTransferStatus> WaitAsync(Guid transferId)
    {
        DiskTransferStatus? last = null;
        await foreach (DiskTransferStatus status in Source.Disks.WatchDiskTransferAsync(transferId, Cancellation)) last = status;
        return last!;
    }

    /// <summary>Asserts that the copy holds what the disk holds, and that nothing else is left in the destination's datastore.</summary>
    public void AssertArrived(string path)
    {
        string copy = Path.Combine(DestinationDatastore, Path.GetFileName(path));
        using (FileStream expected = File.OpenRead(path), actual = File.OpenRead(copy))
        {
            Assert.Equal(expected.Length, actual.Length);
            Assert.Equal(SHA256.HashData(expected), SHA256.HashData(actual));
        }

        Assert.Equal([copy], Directory.EnumerateFiles(DestinationDatastore, "*", SearchOption.AllDirectories));
    }

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        await Destination.DisposeAsync();
        root.Delete(recursive: true);
    }

    private static Task<LocalHost> OpenAsync(DirectoryInfo root, string name, LinkSecurity? security) => LocalHost.OpenAsync(
        new() { Name = name, StateDirectory = Path.Combine(root.FullName, name), LinkSecurity = security }, Cancellation);
}
