using System.Security.Cryptography;
using Serilog;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>
/// The destination's side of one disk transfer: it owns the incomplete disk until that has its final name, or what arrived of it is a
/// fragment.
/// </summary>
internal sealed class DiskReceiver : IIncomingDisk
{
    /// <summary>How long an offer waits for its source to connect, and then to begin.</summary>
    public static readonly TimeSpan OfferLimit = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan farewellLimit = TimeSpan.FromSeconds(2);

    private readonly IncompleteDiskPlace place;
    private readonly IIncompleteDisks store;
    private readonly Func<CancellationToken, Task<IWritableDisk>> openDisk;
    private readonly long sizeBytes;
    private readonly DiskGeneration generation;
    private readonly ILogger log;
    private readonly byte[] ticket = RandomNumberGenerator.GetBytes(Hello.TicketBytes);
    private readonly TaskCompletionSource<ControlConnection> connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int controlClaimed;
    private volatile DiskArrival? arrival;

    /// <param name="place">Where the disk lies until it is complete.</param>
    /// <param name="sizeBytes">Length of what is copied.</param>
    /// <param name="generation">The contents that were agreed on: what is there already was matched with them.</param>
    /// <param name="openDisk">Opens the incomplete disk at its place, or makes it.</param>
    /// <param name="store">Told of every step.</param>
    /// <param name="log">The host's log.</param>
    public DiskReceiver(
        IncompleteDiskPlace place, long sizeBytes, DiskGeneration generation, Func<CancellationToken, Task<IWritableDisk>> openDisk,
        IIncompleteDisks store, ILogger log)
    {
        this.place = place;
        this.sizeBytes = sizeBytes;
        this.generation = generation;
        this.openDisk = openDisk;
        this.store = store;
        this.log = log.ForContext("TransferId", place.TransferId);
    }

    /// <inheritdoc/>
    public Guid OperationId => place.TransferId;

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Ticket => ticket;

    /// <inheritdoc/>
    public bool TryClaim(ConnectionRole role, int channel) => role switch
    {
        ConnectionRole.DiskControl => Interlocked.Exchange(ref controlClaimed, 1) == 0,
        ConnectionRole.DiskData => arrival?.TryClaim(channel) ?? false,
        _ => false,
    };

    /// <inheritdoc/>
    public bool Serve(LinkTransport transport, ConnectionRole role, int channel)
    {
        if (role == ConnectionRole.DiskControl) return connected.TrySetResult(new ControlConnection(transport));
        arrival?.Receive(new DataConnection(transport));
        return false;
    }

    /// <summary>Runs to the end, whichever way, settles the disk's place and throws nothing.</summary>
    /// <param name="withdraw">Gives the transfer up: what has arrived is kept as a fragment.</param>
    public async Task<DiskReceiverEnd> RunAsync(CancellationToken withdraw)
    {
        TransferConversation? source = null;
        DiskReceiverEnd end;
        try
        {
            source = new(await connected.Task.WaitAsync(OfferLimit, withdraw).ConfigureAwait(false));
            end = new(null, null, await ReceiveAsync(source, withdraw).ConfigureAwait(false));
        }
        catch (Exception error)
        {
            MigrationException failure = Explain(error, withdraw.IsCancellationRequested);
            end = new(failure, await KeepAsync(failure).ConfigureAwait(false), null);
        }

        if (end.Error is null) log.Information("Disk {Path} has arrived", place.DestinationPath);
        else log.Warning(end.Error, "Disk {Path} did not arrive: {Reason}: {Message}", place.DestinationPath, end.Error.Reason, end.Error.Message);
        if (source is not null)
        {
            await TellAsync(source, end).ConfigureAwait(false);
            await source.DisposeAsync().ConfigureAwait(false);
        }
        else if (!connected.TrySetCanceled(CancellationToken.None))
        {
            // It connected after the offer had ended.
            await (await connected.Task.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }

        return end;
    }

    /// <summary>Receives the disk up to and including its final name.</summary>
    private async Task<string> ReceiveAsync(TransferConversation source, CancellationToken withdraw)
    {
        ControlFrame first = await source.ReceiveAsync(withdraw).WaitAsync(OfferLimit, withdraw).ConfigureAwait(false);
        DiskStartMessage start = first.Expect(FrameType.DiskStart).Read(ControlMessages.Default.DiskStartMessage);
        if (start.Generation != generation)
        {
            throw new MigrationException(
                MigrationErrorReason.DiskChanged, "The disk was written at its source after the transfer was agreed on.",
                "Keep others from writing the disk, and start the transfer again: only blocks that differ are sent.");
        }

        if (start.SizeBytes != sizeBytes || start.Channels is < 1 or > DiskArrival.MaxChannels)
        {
            throw new MigrationException(
                MigrationErrorReason.ProtocolViolation,
                $"The source wants to send a disk of {start.SizeBytes} bytes over {start.Channels} channels; this one has {sizeBytes} bytes.");
        }

        string digest;
        IWritableDisk disk = await openDisk(withdraw).ConfigureAwait(false);
        await using (disk.ConfigureAwait(false))
        {
            using var digests = DiskDigestFile.Open(place.DigestsPath, new(sizeBytes));
            await using var arriving = new DiskArrival(place, new(sizeBytes), disk, digests, store, start.Channels, source, log);
            arrival = arriving;
            digest = await arriving.RunAsync(withdraw).ConfigureAwait(false);
        }

        await store.CompleteAsync(place.TransferId).ConfigureAwait(false);
        return digest;
    }

    private async Task<DiskFragment?> KeepAsync(MigrationException failure)
    {
        try
        {
            return await store.KeepAsync(place.TransferId, failure.Reason, failure.Message).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            // Its record stays as it was: the next opening of the host keeps the fragment.
            log.Error(error, "What arrived of disk {Path} could not be made a fragment", place.DestinationPath);
            return null;
        }
    }

    private async Task TellAsync(TransferConversation source, DiskReceiverEnd end)
    {
        using var limit = new CancellationTokenSource(farewellLimit);
        try
        {
            if (end.Error is null) await source.SendAsync(FrameType.DiskStored, default, limit.Token).ConfigureAwait(false);
            else
            {
                await source.SendAsync(
                    FrameType.DiskEnded, new(FailureMessage.Of(end.Error), end.Fragment?.Id), ControlMessages.Default.DiskEndedMessage,
                    limit.Token).ConfigureAwait(false);
            }

            await source.WaitForCloseAsync(farewellLimit).ConfigureAwait(false);
        }
        catch (Exception error) when (error is MigrationException or OperationCanceledException)
        {
            log.Debug(error, "The source did not hear how the transfer ended");
        }
    }

    private static MigrationException Explain(Exception error, bool withdrawn) => error switch
    {
        MigrationException known => known,
        TimeoutException => new(
            MigrationErrorReason.TimedOut, $"No source began the transfer within {OfferLimit.TotalSeconds:F0} s.", "Start the transfer again.", error),
        OperationCanceledException when withdrawn => new(
            MigrationErrorReason.Cancelled, "The destination withdrew its offer.", "Start the transfer again.", error),
        _ => new(MigrationErrorReason.DestinationFailed, $"The destination failed: {error.Message}", "Look into the destination host's log.", error),
    };
}
