using System.Buffers;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// Sets a QEMU up for migrations, and feeds a state to one that waits for it. The end is learnt from its MIGRATION event (capability
/// <c>events</c>), never by polling. The other way is <see cref="QemuStateSave"/>.
/// </summary>
internal static class QemuStateTransfer
{
    // As large as the frames the state travels in.
    private const int BufferBytes = 256 << 10;

    // Beyond what any link carries: the stream that takes the state sets the pace.
    private const long UnlimitedBytesPerSecond = 1L << 40;

    /// <summary>Sets QEMU up for saving or loading states of this kind, so that it need not be done in the downtime.</summary>
    public static async Task SetUpAsync(QmpClient qmp, StateContents contents, CancellationToken cancellationToken)
    {
        // pause-before-switchover: QEMU waits once it has stopped the vCPUs, so that what comes before need not be in the downtime.
        // late-block-activate: the destination takes its disks (and their locks) when it is resumed, not when its state is loaded;
        // until then the source can go on with them.
        var capabilities = new JsonObject
        {
            ["capabilities"] = new JsonArray(
                Capability("events", true), Capability("late-block-activate", true),
                Capability("x-ignore-shared", contents == StateContents.Devices),
                Capability("pause-before-switchover", contents == StateContents.Devices)),
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

    private static JsonObject Capability(string name, bool state) => new() { ["capability"] = name, ["state"] = state };
}
