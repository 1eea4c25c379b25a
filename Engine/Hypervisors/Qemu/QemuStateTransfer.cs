using System.Buffers;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// Relays QEMU's migration stream between a unix socket and a <see cref="Stream"/> while QEMU writes or reads it. The end of a
/// migration is learnt from its MIGRATION event (capability <c>events</c>), never by polling.
/// </summary>
internal static class QemuStateTransfer
{
    // Device state comes in pieces of 32 KiB and RAM in long runs; larger reads save system calls with RAM.
    private const int BufferBytes = 256 << 10;

    // Beyond what any link carries: the stream that takes the state sets the pace.
    private const long UnlimitedBytesPerSecond = 1L << 40;

    // A cancelled migration has its socket shut down under it and ends within milliseconds.
    private static readonly TimeSpan CancelTimeLimit = TimeSpan.FromSeconds(30);

    /// <summary>Sets QEMU up for saving or loading states of this kind, so that it need not be done in the downtime.</summary>
    public static async Task SetUpAsync(QmpClient qmp, StateContents contents, CancellationToken cancellationToken)
    {
        // late-block-activate: the destination takes its disks (and their locks) when it is resumed, not when its state is loaded;
        // until then the source can go on with them.
        var capabilities = new JsonObject
        {
            ["capabilities"] = new JsonArray(
                Capability("events", true), Capability("late-block-activate", true),
                Capability("x-ignore-shared", contents == StateContents.Devices)),
        };
        await qmp.ExecuteAsync("migrate-set-capabilities", capabilities, cancellationToken).ConfigureAwait(false);
        if (contents == StateContents.Devices) return;
        var parameters = new JsonObject { ["max-bandwidth"] = UnlimitedBytesPerSecond };
        await qmp.ExecuteAsync("migrate-set-parameters", parameters, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Has a QEMU that was started for it listen for its state.</summary>
    public static async Task ListenAsync(QmpClient qmp, string socketPath, CancellationToken cancellationToken)
    {
        var arguments = new JsonObject { ["uri"] = $"unix:{socketPath}" };
        await qmp.ExecuteAsync("migrate-incoming", arguments, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Has QEMU write its state to <paramref name="destination"/>.</summary>
    /// <param name="qmp">Connection to the QEMU.</param>
    /// <param name="socketPath">Where to listen for it: a name in a directory nobody else can enter, removed at the end.</param>
    /// <param name="destination">Takes the state; flushed whenever QEMU pauses in writing.</param>
    /// <param name="cancellationToken">Cancels the migration in QEMU too.</param>
    public static async Task SaveAsync(QmpClient qmp, string socketPath, Stream destination, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using QmpEventStream events = qmp.Subscribe("MIGRATION");
        listener.Bind(new UnixDomainSocketEndPoint(socketPath));
        try
        {
            listener.Listen(1);
            var arguments = new JsonObject { ["uri"] = $"unix:{socketPath}" };
            await qmp.ExecuteAsync("migrate", arguments, CancellationToken.None).ConfigureAwait(false);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Task relay = RelayFromAsync(listener, destination, stop.Token);
            Task<string> outcome = WaitForEndAsync(events, CancellationToken.None);
            try
            {
                Task first = await Task.WhenAny(relay, outcome).ConfigureAwait(false);
                await first.ConfigureAwait(false);
                string status = await outcome.WaitAsync(cancellationToken).ConfigureAwait(false);
                if (status != "completed") throw await DescribeFailureAsync(qmp, cancellationToken).ConfigureAwait(false);
                await relay.ConfigureAwait(false);
            }
            catch
            {
                // QEMU must have ended, too, before the VM can be used again.
                await stop.CancelAsync().ConfigureAwait(false);
                if (!outcome.IsCompleted) await CancelAsync(qmp, outcome).ConfigureAwait(false);
                await relay.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw;
            }
        }
        finally
        {
            File.Delete(socketPath);
        }
    }

    /// <summary>Feeds a state to a QEMU that waits for it at <paramref name="socketPath"/>.</summary>
    /// <returns>False where QEMU refused the state; it ends itself then, and its log says why.</returns>
    public static async Task<bool> LoadAsync(QmpClient qmp, string socketPath, Stream source, CancellationToken cancellationToken)
    {
        using QmpEventStream events = qmp.Subscribe("MIGRATION");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken).ConfigureAwait(false);
        bool complete = await RelayToAsync(source, socket, cancellationToken).ConfigureAwait(false);
        try
        {
            return await WaitForEndAsync(events, cancellationToken).ConfigureAwait(false) == "completed" && complete;
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.VmExited)
        {
            return false;
        }
    }

    private static async Task RelayFromAsync(Socket listener, Stream destination, CancellationToken cancellationToken)
    {
        using Socket connection = await listener.AcceptAsync(cancellationToken).ConfigureAwait(false);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (true)
            {
                int count = await connection.ReceiveAsync(buffer.AsMemory(), SocketFlags.None, cancellationToken).ConfigureAwait(false);
                if (count == 0) break;
                await destination.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                if (connection.Available == 0) await destination.FlushAsync(cancellationToken).ConfigureAwait(false);
            }

            await destination.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Relays until the source ends; false where QEMU closed its end before that.</summary>
    private static async Task<bool> RelayToAsync(Stream source, Socket socket, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (true)
            {
                int count = await source.ReadAsync(buffer.AsMemory(0, BufferBytes), cancellationToken).ConfigureAwait(false);
                if (count == 0)
                {
                    socket.Shutdown(SocketShutdown.Send);
                    return true;
                }

                ReadOnlyMemory<byte> rest = buffer.AsMemory(0, count);
                while (!rest.IsEmpty)
                {
                    int sent = await socket.SendAsync(rest, SocketFlags.None, cancellationToken).ConfigureAwait(false);
                    rest = rest[sent..];
                }
            }
        }
        catch (SocketException exception) when (exception.SocketErrorCode
            is SocketError.Shutdown or SocketError.ConnectionReset or SocketError.NotConnected)
        {
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task<string> WaitForEndAsync(QmpEventStream events, CancellationToken cancellationToken)
    {
        while (true)
        {
            QmpEvent occurred = await events.ReadAsync(cancellationToken).ConfigureAwait(false);
            string? status = occurred.Text("status");
            if (status is "completed" or "failed" or "cancelled") return status;
        }
    }

    private static async Task CancelAsync(QmpClient qmp, Task<string> outcome)
    {
        try
        {
            await qmp.ExecuteAsync("migrate_cancel", CancellationToken.None).ConfigureAwait(false);
            await outcome.WaitAsync(CancelTimeLimit).ConfigureAwait(false);
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.VmExited)
        {
            // A QEMU that is gone migrates no more; what broke the relay is what the caller gets to know.
        }
        catch (TimeoutException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.HypervisorFailed,
                $"QEMU did not end its migration in {CancelTimeLimit.TotalSeconds:0} s after it was cancelled.",
                "Look at the storage of the VM's disks, which QEMU may be waiting for.", exception);
        }
    }

    private static async Task<MigrationException> DescribeFailureAsync(QmpClient qmp, CancellationToken cancellationToken)
    {
        var migration = await qmp.ExecuteAsync("query-migrate", cancellationToken).ConfigureAwait(false);
        string words = migration.TryGetProperty("error-desc", out var description) ? description.GetString()! : "it gave no reason";
        return new(MigrationErrorReason.HypervisorFailed, $"QEMU could not save the VM's state: {words}.");
    }

    private static JsonObject Capability(string name, bool state) => new() { ["capability"] = name, ["state"] = state };
}
