using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Security.Cryptography;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The destination's side of a migration that brings its disks: the images come first, then the VM is made from them, and what remains is a
/// migration like any other. Until the VM is there the source's connections come here, from then on to it as well.
/// </summary>
/// <param name="request">What was agreed on.</param>
/// <param name="disks">The VM's disks.</param>
/// <param name="makeVm">Makes the incoming VM, and the migration that waits for it with this ticket.</param>
/// <param name="log">Takes what happens.</param>
[SuppressMessage("Design", "CA1001", Justification = "What it holds is disposed of at the end of its run.")]
internal sealed class IncomingVmWithDisks(
    IncomingRequest request, ArrivingDisks disks,
    Func<VmSpecification, byte[], Task, CancellationToken, Task<(IVirtualMachine Machine, DestinationMigration Migration)>> makeVm, ILogger log)
    : IIncomingMigration
{
    private readonly byte[] ticket = RandomNumberGenerator.GetBytes(Hello.TicketBytes);
    private readonly TaskCompletionSource<ControlConnection> connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource complete = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<int, byte> expectedMirrors = new();
    private readonly CancellationTokenSource relaying = new();
    private readonly ILogger log = log.ForContext(nameof(MigrationId), request.MigrationId);
    private volatile DestinationMigration? migration;
    private volatile string? exportSocket;
    private IAsyncDisposable? export;
    private int claimed;
    private MigrationOutcome outcomeWithoutVm = MigrationOutcome.Pending;

    public Guid MigrationId => request.MigrationId;

    Guid IIncomingOperation.OperationId => MigrationId;

    public ReadOnlyMemory<byte> Ticket => ticket;

    public MigrationOutcome Outcome => migration?.Outcome ?? outcomeWithoutVm;

    /// <inheritdoc cref="DestinationMigration.MayBeAsked"/>
    public bool MayBeAsked => migration?.MayBeAsked ?? false;

    public bool TryClaim(ConnectionRole role, int channel) => role switch
    {
        ConnectionRole.VmDisks => outcomeWithoutVm == MigrationOutcome.Pending && Interlocked.Exchange(ref claimed, 1) == 0,
        ConnectionRole.DiskMirror => exportSocket is not null && expectedMirrors.TryRemove(channel, out _),
        _ => migration?.TryClaim(role, channel) ?? false,
    };

    public bool Serve(LinkTransport transport, ConnectionRole role, int channel)
    {
        switch (role)
        {
            case ConnectionRole.VmDisks:
                return connected.TrySetResult(new ControlConnection(transport));
            case ConnectionRole.DiskMirror:
                Relay(transport, channel);
                return false;
            default:
                return migration!.Serve(transport, role, channel);
        }
    }

    /// <summary>Runs to the end, whichever way; as <see cref="DestinationMigration.RunAsync"/>.</summary>
    public async Task<MigrationOutcome> RunAsync(CancellationToken withdraw, CancellationToken closing)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(withdraw);
        DiskConversation? conversation = null;
        Task<MigrationOutcome>? receiving = null;
        try
        {
            conversation = new(await connected.Task.WaitAsync(DestinationMigration.OfferLimit, withdraw).ConfigureAwait(false));
            using var source = CancellationTokenSource.CreateLinkedTokenSource(stop.Token, conversation.Broken);
            await BringAsync(conversation, source.Token).ConfigureAwait(false);
            await MakeVmAsync(source.Token).ConfigureAwait(false);
            receiving = migration!.RunAsync(stop.Token, closing);
            await conversation.SendAsync(FrameType.VmPrepared, source.Token).ConfigureAwait(false);
            await CloseDisksAsync(conversation, receiving, source.Token).ConfigureAwait(false);
            if (await receiving.ConfigureAwait(false) is MigrationOutcome.DestinationOwns or MigrationOutcome.DestinationReceives)
            {
                disks.Settle();
            }
        }
        catch (Exception error)
        {
            await GiveUpAsync(conversation, error, withdraw.IsCancellationRequested).ConfigureAwait(false);
        }
        finally
        {
            // Before its commit the VM goes with its disks; after it this changes nothing any more.
            await stop.CancelAsync().ConfigureAwait(false);
            complete.TrySetCanceled(CancellationToken.None);
            await relaying.CancelAsync().ConfigureAwait(false);

            // One that was made and does not come to its turn gives its place up by itself.
            if (migration is { } made) await (receiving ?? made.RunAsync(stop.Token, closing)).ConfigureAwait(false);
            if (export is not null) await export.DisposeAsync().ConfigureAwait(false);
            if (conversation is not null) await conversation.DisposeAsync().ConfigureAwait(false);
            if (migration is null) outcomeWithoutVm = MigrationOutcome.SourceOwns;
        }

        return Outcome;
    }

    private async Task BringAsync(DiskConversation conversation, CancellationToken cancellationToken)
    {
        while (true)
        {
            ControlFrame frame = await conversation.ReceiveAsync(cancellationToken).ConfigureAwait(false);
            switch (frame.Type)
            {
                case FrameType.BringDisk:
                    DiskPlaceMessage place = await disks
                        .PlaceAsync(frame.Read(VmDiskMessages.Default.BringDiskMessage), cancellationToken).ConfigureAwait(false);
                    await conversation.SendAsync(
                        FrameType.DiskPlace, place, VmDiskMessages.Default.DiskPlaceMessage, cancellationToken).ConfigureAwait(false);
                    break;
                case FrameType.DiskArrived:
                    disks.Take(frame.Read(VmDiskMessages.Default.DiskArrivedMessage).Index);
                    await conversation.SendAsync(FrameType.DiskTaken, cancellationToken).ConfigureAwait(false);
                    break;
                default:
                    frame.Expect(FrameType.PrepareVm);
                    return;
            }
        }
    }

    private async Task MakeVmAsync(CancellationToken cancellationToken)
    {
        VmSpecification specification = disks.Specify();
        (IVirtualMachine machine, DestinationMigration made) =
            await makeVm(specification, ticket, complete.Task, cancellationToken).ConfigureAwait(false);
        migration = made;
        IReadOnlyList<VmDiskNode> nodes = await machine.Disks!.FindAsync(cancellationToken).ConfigureAwait(false);
        VmDiskNode[] mirrored = [.. nodes.Where(node => !node.ReadOnly)];
        if (mirrored.Length == 0) return;
        string socket = machine.Disks.ChooseSocketPath();
        export = await machine.Disks.ExportAsync([.. mirrored.Select(node => node.Name)], socket, cancellationToken).ConfigureAwait(false);
        for (int index = 0; index < nodes.Count; index++)
        {
            if (!nodes[index].ReadOnly) expectedMirrors[index] = 0;
        }

        exportSocket = socket;
    }

    /// <summary>Lets the mirrors write until the source says that they are equal; nothing reaches the disks from outside after that.</summary>
    private async Task CloseDisksAsync(DiskConversation conversation, Task<MigrationOutcome> receiving, CancellationToken cancellationToken)
    {
        Task<ControlFrame> next = conversation.ReceiveAsync(cancellationToken);
        if (await Task.WhenAny(next, receiving).ConfigureAwait(false) == receiving && !next.IsCompleted) return;
        (await next.ConfigureAwait(false)).Expect(FrameType.DisksMirrored);
        exportSocket = null;
        if (export is not null) await export.DisposeAsync().ConfigureAwait(false);
        complete.TrySetResult();
        await conversation.SendAsync(FrameType.DisksClosed, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Carries a disk's mirror, on the calling thread, until either end closes it.</summary>
    private void Relay(LinkTransport transport, int channel)
    {
        try
        {
            RelayAsync(transport).GetAwaiter().GetResult();
        }
        catch (Exception error) when (error is MigrationException or OperationCanceledException)
        {
            log.Debug("The mirror of disk {Disk} ended: {Message}", channel, error.Message);
        }
    }

    private async Task RelayAsync(LinkTransport transport)
    {
        using (transport)
        {
            string socket = exportSocket ?? throw new MigrationException(
                MigrationErrorReason.InvalidState, "The disks are closed to mirrors.");
            NetworkStream stream = await ByteRelay.ConnectAsync(socket, relaying.Token).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
            {
                await ByteRelay.RunAsync(transport.Stream, stream, relaying.Token).ConfigureAwait(false);
            }
        }
    }

    private async Task GiveUpAsync(DiskConversation? conversation, Exception error, bool withdrawn)
    {
        MigrationException reason = error switch
        {
            MigrationException known => known,
            TimeoutException => new(
                MigrationErrorReason.TimedOut, $"No source connected within {DestinationMigration.OfferLimit.TotalSeconds} s.", null, error),
            OperationCanceledException when withdrawn => new(
                MigrationErrorReason.Cancelled, "The destination withdrew its offer.", null, error),
            OperationCanceledException when conversation?.Failure is { } failure => failure,
            _ => new(MigrationErrorReason.DestinationFailed, $"The destination failed: {error.Message}", null, error),
        };
        log.Warning(error, "Gave the VM's disks up: {Reason}: {Message}", reason.Reason, reason.Message);
        if (conversation is not null) await conversation.AbortAsync(reason).ConfigureAwait(false);
        if (!connected.TrySetCanceled(CancellationToken.None) && conversation is null)
        {
            await (await connected.Task.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
    }
}
