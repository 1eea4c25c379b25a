using System.Net;
using Serilog;
using Serilog.Core;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Native;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Hosts;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>A source file and a destination with a store of its own, and the transfers between them over the loopback device.</summary>
internal sealed class TransferBench : IAsyncDisposable
{
    private readonly ScratchDirectory scratch = new();
    private readonly LinkCertificate? certificate;
    private readonly ILogger log = Logger.None;

    public TransferBench(bool tls = false)
    {
        certificate = tls ? LinkCertificate.Create() : null;
        Listener = new(new(IPAddress.Loopback, 0), certificate, "here", log, (_, _) => null);
        Store = Bench.Open();
    }

    public StoreBench Bench { get; } = new();

    public FragmentStore Store { get; }

    public MigrationListener Listener { get; }

    public string SourcePath => scratch.File("disk.img");

    public string DestinationPath => Bench.File("disk.img");

    public DiskTransferOptions Options { get; set; } = new();

    /// <summary>What the transfer begins with, in place of what the store decides.</summary>
    public DiskResumption? Resumption { get; set; }

    /// <summary>Looks at the source's generation at the end, in place of the file's.</summary>
    public Func<DiskGeneration>? ReadGeneration { get; set; }

    /// <summary>The port that the source connects to, in place of the listener's.</summary>
    public int? Port { get; set; }

    public void WriteSource(byte[] contents) => File.WriteAllBytes(SourcePath, contents);

    /// <summary>Writes parts of the source and leaves holes elsewhere.</summary>
    public void WriteSparseSource(long sizeBytes, params (long Offset, byte[] Contents)[] parts)
    {
        using var file = new FileStream(SourcePath, FileMode.Create, FileAccess.Write);
        file.SetLength(sizeBytes);
        foreach ((long offset, byte[] contents) in parts)
        {
            file.Position = offset;
            file.Write(contents);
        }
    }

    public DiskDescription Describe()
    {
        FileStatus file = FileStatus.TryRead(SourcePath)!.Value;
        return new()
        {
            HostName = "there",
            Path = SourcePath,
            Format = DiskFormat.Raw,
            VirtualSizeBytes = file.SizeBytes,
            AllocatedBytes = file.AllocatedBytes,
            Generation = DiskImage.ReadGeneration(SourcePath),
        };
    }

    /// <summary>Takes a place at the destination and lets its source connect.</summary>
    public async Task<Transfer> PrepareAsync(CancellationToken cancellation)
    {
        DiskDescription source = Describe();
        IncompleteDiskPlace place = await Store.TakeAsync(new(Guid.NewGuid(), source, "disk.img", Options), cancellation);
        if (Resumption is not null) place = place with { Resumption = Resumption };
        long size = source.Generation.SizeBytes;
        var receiver = new DiskReceiver(
            place, size, source.Generation, _ => Task.FromResult<IWritableDisk>(IncompleteDiskFile.Open(place.FilePath, size)), Store, log);
        Listener.Register(receiver);
        IncomingOffer offer = Listener.MakeOffer(receiver);
        offer = offer with { Port = Port ?? offer.Port };
        return new(
            this, source, new(SourcePath, new(offer, place.DestinationPath, place.Resumption), Options), receiver, log, ReadGeneration);
    }

    /// <summary>A whole transfer, whichever way it ends.</summary>
    public async Task<DiskTransferStatus> RunAsync(CancellationToken cancellation)
    {
        await using Transfer transfer = await PrepareAsync(cancellation);
        return await transfer.RunAsync();
    }

    /// <summary>The digest that stands for the source.</summary>
    public string DigestOfSource() => BlockDigests.Fold(SampleBlocks.Digests(File.ReadAllBytes(SourcePath)));

    /// <summary>Shows that a transfer completed, that the files are alike, and that nothing else is left.</summary>
    public void RequireComplete(DiskTransferStatus status)
    {
        Xunit.Assert.True(status.State == DiskTransferState.Completed, status.ErrorMessage);
        Xunit.Assert.Equal(DigestOfSource(), status.Digest);
        Xunit.Assert.True(File.ReadAllBytes(SourcePath).AsSpan().SequenceEqual(File.ReadAllBytes(DestinationPath)), "The files differ.");
        Xunit.Assert.Empty(Bench.IncompleteFiles());
        Xunit.Assert.Empty(Bench.Records.ReadAll());
    }

    public async ValueTask DisposeAsync()
    {
        await Listener.DisposeAsync();
        certificate?.Dispose();
        Bench.Dispose();
        scratch.Dispose();
    }
}
