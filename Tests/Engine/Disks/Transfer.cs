using Serilog;
using VmMigration.Engine.Disks;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>Both sides of one transfer of a <see cref="TransferBench"/>.</summary>
internal sealed class Transfer : IAsyncDisposable
{
    private readonly TransferBench bench;
    private readonly DiskReceiver receiver;
    private readonly FileDiskContents contents;
    private readonly CancellationTokenSource withdraw = new();
    private readonly CancellationTokenSource cancel = new();
    private readonly Task<DiskReceiverEnd> arriving;

    public Transfer(
        TransferBench bench, DiskDescription source, DiskTransferRequest request, DiskReceiver receiver, ILogger log,
        Func<DiskGeneration>? readGeneration)
    {
        this.bench = bench;
        this.receiver = receiver;
        contents = FileDiskContents.Open(source.Path);
        Feed = new(new()
        {
            Id = receiver.OperationId,
            SourceHostName = "there",
            SourcePath = source.Path,
            DestinationHostName = "here",
            DestinationPath = request.Offer.DestinationPath,
            Options = request.Options,
            State = DiskTransferState.Setup,
            Resumption = request.Offer.Resumption,
            StartedAt = DateTimeOffset.UtcNow,
            SizeBytes = source.Generation.SizeBytes,
        });
        Request = request;
        Sender = new(
            request, contents, source.Generation, readGeneration ?? (() => DiskImage.ReadGeneration(source.Path)), new(request.Offer.Offer), Feed,
            log);
        arriving = receiver.RunAsync(withdraw.Token);
    }

    public DiskTransferRequest Request { get; }

    public DiskTransferStatusFeed Feed { get; }

    public DiskSender Sender { get; }

    /// <summary>How it ended at the destination.</summary>
    public DiskReceiverEnd? End { get; private set; }

    /// <summary>Sends to the end, whichever way, and waits until the destination has settled too.</summary>
    public async Task<DiskTransferStatus> RunAsync()
    {
        DiskTransferStatus status = await Sender.RunAsync(cancel.Token);
        End = await arriving;
        return status;
    }

    public void Cancel() => cancel.Cancel();

    /// <summary>The destination gives it up where no source came.</summary>
    public async Task<DiskReceiverEnd> WithdrawAsync()
    {
        await withdraw.CancelAsync();
        return await arriving;
    }

    /// <summary>Waits for a status.</summary>
    public async Task<DiskTransferStatus> WaitForAsync(Func<DiskTransferStatus, bool> isIt, CancellationToken cancellation)
    {
        await foreach (DiskTransferStatus status in Feed.WatchAsync(cancellation))
        {
            if (isIt(status)) return status;
        }

        return Feed.Current;
    }

    public async ValueTask DisposeAsync()
    {
        await cancel.CancelAsync();
        await withdraw.CancelAsync();
        await arriving;
        bench.Listener.Unregister(receiver.OperationId);
        Sender.Dispose();
        await contents.DisposeAsync();
        withdraw.Dispose();
        cancel.Dispose();
    }
}
