using System.Buffers;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// A migration of one QEMU into a <see cref="Stream"/>, relayed over a unix socket while QEMU writes it. How far it is is learnt from
/// MIGRATION events (capability <c>events</c>), never by polling. Disposed before its end it is cancelled, in QEMU too.
/// </summary>
internal sealed class QemuStateSave : IAsyncDisposable
{
    // Device state comes in pieces of 32 KiB and RAM in long runs; larger reads save system calls with RAM.
    private const int BufferBytes = 256 << 10;

    // A cancelled migration has its socket shut down under it and ends within milliseconds.
    private static readonly TimeSpan cancelLimit = TimeSpan.FromSeconds(30);

    private readonly QmpClient qmp;
    private readonly string socketPath;
    private readonly QmpEventStream events;
    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource stop = new();
    private Task relay = Task.CompletedTask;
    private Task<QmpEvent>? nextEvent;
    private string? status;

    private QemuStateSave(QmpClient qmp, string socketPath)
    {
        this.qmp = qmp;
        this.socketPath = socketPath;
        events = qmp.Subscribe("MIGRATION");
    }

    /// <summary>Has QEMU begin to write its state.</summary>
    /// <param name="qmp">Connection to the QEMU.</param>
    /// <param name="socketPath">Where to listen for it: a name in a directory nobody else can enter, removed at the end.</param>
    /// <param name="destination">Takes the state; flushed whenever QEMU pauses in writing.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    public static async Task<QemuStateSave> StartAsync(
        QmpClient qmp, string socketPath, Stream destination, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var save = new QemuStateSave(qmp, socketPath);
        try
        {
            save.listener.Bind(new UnixDomainSocketEndPoint(socketPath));
            save.listener.Listen(1);
            save.relay = save.RelayAsync(destination);
            var arguments = new JsonObject { ["uri"] = $"unix:{socketPath}" };
            await qmp.ExecuteAsync("migrate", arguments, CancellationToken.None).ConfigureAwait(false);
            return save;
        }
        catch
        {
            save.status = "failed";
            await save.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Waits until QEMU has stopped the vCPUs and waits itself (capability <c>pause-before-switchover</c>).</summary>
    public Task WaitUntilPausedAsync(CancellationToken cancellationToken) => WaitForAsync("pre-switchover", cancellationToken);

    /// <summary>Lets QEMU go on from there.</summary>
    public Task ContinueAsync(CancellationToken cancellationToken) => ContinueFromAsync(qmp, "pre-switchover", cancellationToken);

    /// <summary>Waits until everything is written.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        await WaitForAsync("completed", cancellationToken).ConfigureAwait(false);
        await relay.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Wakes what <c>migrate_cancel</c> left asleep. QEMU's migration thread looks for a cancellation, then waits for <c>migrate-continue</c>
    /// (migration_maybe_pause in its migration/migration.c); a cancellation between the two does not wake it, so that it would wait for ever.
    /// A thread that waits for nothing ignores it.
    /// </summary>
    public static async Task WakeCancelledAsync(QmpClient qmp, CancellationToken cancellationToken)
    {
        try
        {
            await ContinueFromAsync(qmp, "cancelling", cancellationToken).ConfigureAwait(false);
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.HypervisorFailed)
        {
            // Not 'cancelling' any more: it has ended, and QEMU says how.
        }
    }

    public async ValueTask DisposeAsync()
    {
        // QEMU must have ended its migration before the VM can be used again.
        await stop.CancelAsync().ConfigureAwait(false);
        try
        {
            if (status is not ("completed" or "failed" or "cancelled")) await CancelAsync().ConfigureAwait(false);
        }
        finally
        {
            await relay.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            listener.Dispose();
            events.Dispose();
            stop.Dispose();
            File.Delete(socketPath);
        }
    }

    private async Task WaitForAsync(string wanted, CancellationToken cancellationToken)
    {
        while (status != wanted)
        {
            if (status is "failed" or "cancelled") throw await DescribeFailureAsync(cancellationToken).ConfigureAwait(false);

            // A relay that breaks while QEMU still writes is the cause of what QEMU will report, and says more.
            nextEvent ??= events.ReadAsync(CancellationToken.None);
            if (!relay.IsCompleted) await Task.WhenAny(nextEvent, relay).WaitAsync(cancellationToken).ConfigureAwait(false);
            if (relay.IsFaulted) await relay.ConfigureAwait(false);
            await ReadStatusAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Reads on from the event that is next, also where an earlier wait for it was given up.</summary>
    private async Task ReadStatusAsync(CancellationToken cancellationToken)
    {
        nextEvent ??= events.ReadAsync(CancellationToken.None);
        QmpEvent occurred = await nextEvent.WaitAsync(cancellationToken).ConfigureAwait(false);
        nextEvent = null;
        status = occurred.Text("status");
    }

    private async Task RelayAsync(Stream destination)
    {
        using Socket connection = await listener.AcceptAsync(stop.Token).ConfigureAwait(false);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (true)
            {
                int count = await connection.ReceiveAsync(buffer.AsMemory(), SocketFlags.None, stop.Token).ConfigureAwait(false);
                if (count == 0) break;
                await destination.WriteAsync(buffer.AsMemory(0, count), stop.Token).ConfigureAwait(false);
                if (connection.Available == 0) await destination.FlushAsync(stop.Token).ConfigureAwait(false);
            }

            await destination.FlushAsync(stop.Token).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task CancelAsync()
    {
        try
        {
            await qmp.ExecuteAsync("migrate_cancel", CancellationToken.None).ConfigureAwait(false);
            await WakeCancelledAsync(qmp, CancellationToken.None).ConfigureAwait(false);
            using var limit = new CancellationTokenSource(cancelLimit);
            while (status is not ("completed" or "failed" or "cancelled"))
            {
                await ReadStatusAsync(limit.Token).ConfigureAwait(false);
            }
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.VmExited)
        {
            // A QEMU that is gone migrates no more; what broke the save is what the caller gets to know.
        }
        catch (OperationCanceledException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.HypervisorFailed,
                $"QEMU did not end its migration in {cancelLimit.TotalSeconds:0} s after it was cancelled.",
                "Look at the storage of the VM's disks, which QEMU may be waiting for.", exception);
        }
    }

    private static Task<JsonElement> ContinueFromAsync(QmpClient qmp, string state, CancellationToken cancellationToken) =>
        qmp.ExecuteAsync("migrate-continue", new JsonObject { ["state"] = state }, cancellationToken);

    private async Task<MigrationException> DescribeFailureAsync(CancellationToken cancellationToken)
    {
        JsonElement migration = await qmp.ExecuteAsync("query-migrate", cancellationToken).ConfigureAwait(false);
        string words = migration.TryGetProperty("error-desc", out JsonElement description) ? description.GetString()! : "it gave no reason";
        return new(MigrationErrorReason.HypervisorFailed, $"QEMU could not save the VM's state: {words}.");
    }
}
