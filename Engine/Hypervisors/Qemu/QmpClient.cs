using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// A connection to QEMU's machine protocol (QMP) over a unix socket: one reader, any number of commands under way, events to whoever
/// subscribed. Follows qemu-qmp-ref(7). Safe for use from several threads at once.
/// </summary>
public sealed class QmpClient : IAsyncDisposable
{
    // QEMU greets at once, except where another client holds the one connection it serves.
    private static readonly TimeSpan GreetingTimeLimit = TimeSpan.FromSeconds(5);

    private readonly Socket socket;
    private readonly NetworkStream stream;
    private readonly QmpMessageReader reader;
    private readonly SemaphoreSlim writing = new(1, 1);
    private readonly ConcurrentDictionary<string, (string Command, TaskCompletionSource<JsonElement> Reply)> pending = new();
    private readonly Lock subscriptionsLock = new();
    private readonly List<QmpEventStream> subscriptions = [];
    private readonly string socketPath;
    private MigrationException? closed;
    private Task reading = Task.CompletedTask;
    private long lastId;

    private QmpClient(string socketPath, Socket socket)
    {
        this.socketPath = socketPath;
        this.socket = socket;
        stream = new NetworkStream(socket, ownsSocket: true);
        reader = new QmpMessageReader(stream);
    }

    /// <summary>The socket, for asking the kernel who is at its other end.</summary>
    internal Socket Socket => socket;

    /// <summary>Connects, reads the greeting and leaves the negotiation mode.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.VmExited"/> where nobody listens; <see cref="MigrationErrorReason.AccessDenied"/>;
    /// <see cref="MigrationErrorReason.HypervisorFailed"/> where the other end speaks no QMP.
    /// </exception>
    public static async Task<QmpClient> ConnectAsync(string socketPath, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is SocketException or ArgumentException)
        {
            socket.Dispose();
            throw DescribeConnectFailure(socketPath, exception);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        var client = new QmpClient(socketPath, socket);
        try
        {
            await client.ReadGreetingAsync(cancellationToken).ConfigureAwait(false);
            client.reading = Task.Run(client.ReadMessagesAsync, CancellationToken.None);
            await client.ExecuteAsync("qmp_capabilities", null, cancellationToken).ConfigureAwait(false);
            return client;
        }
        catch
        {
            await client.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Runs a command and returns what it returned. A cancelled caller stops waiting; the command may still take effect.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.HypervisorFailed"/> with QEMU's own words where it refused;
    /// <see cref="MigrationErrorReason.VmExited"/> where the connection closed before the answer.
    /// </exception>
    public async Task<JsonElement> ExecuteAsync(string command, JsonObject? arguments, CancellationToken cancellationToken)
    {
        string id = Interlocked.Increment(ref lastId).ToString(CultureInfo.InvariantCulture);
        var reply = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        var message = new JsonObject { ["execute"] = command, ["id"] = id };
        if (arguments is not null) message["arguments"] = arguments;
        byte[] line = JsonSerializer.SerializeToUtf8Bytes(message);

        pending[id] = (command, reply);
        try
        {
            await SendAsync(line, cancellationToken).ConfigureAwait(false);
            return await reply.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            pending.TryRemove(id, out _);
        }
    }

    /// <summary>Runs a command without arguments.</summary>
    /// <inheritdoc cref="ExecuteAsync(string, JsonObject?, CancellationToken)"/>
    public Task<JsonElement> ExecuteAsync(string command, CancellationToken cancellationToken) =>
        ExecuteAsync(command, null, cancellationToken);

    /// <summary>Collects the events of one name from now on.</summary>
    public QmpEventStream Subscribe(string eventName)
    {
        var subscription = new QmpEventStream(eventName, Unsubscribe);
        lock (subscriptionsLock)
        {
            if (closed is not null) subscription.Close(closed);
            else subscriptions.Add(subscription);
        }

        return subscription;
    }

    /// <summary>Closes the connection; QEMU goes on and accepts the next one.</summary>
    public async ValueTask DisposeAsync()
    {
        // Only a shutdown ends a read that is under way for certain; the reader then closes everything that waits.
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (SocketException)
        {
            // ENOTCONN: QEMU closed its end first.
        }
        catch (ObjectDisposedException)
        {
            // Disposed before.
        }

        await reading.ConfigureAwait(false);
        await reader.CompleteAsync().ConfigureAwait(false);
        await stream.DisposeAsync().ConfigureAwait(false);
    }

    private async Task SendAsync(byte[] line, CancellationToken cancellationToken)
    {
        await writing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            lock (subscriptionsLock)
            {
                if (closed is not null) throw Again(closed);
            }

            // Not cancellable: half a command would spoil the connection for every other.
            await socket.SendAsync(line, SocketFlags.None, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            throw Closed(exception);
        }
        finally
        {
            writing.Release();
        }
    }

    private async Task ReadGreetingAsync(CancellationToken cancellationToken)
    {
        using var timeLimit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeLimit.CancelAfter(GreetingTimeLimit);
        Exception? cause = null;
        try
        {
            using JsonDocument? greeting = await reader.ReadAsync(timeLimit.Token).ConfigureAwait(false);
            if (greeting is not null && greeting.RootElement.TryGetProperty("QMP", out _)) return;
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            cause = exception;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or IOException)
        {
            cause = exception;
        }

        throw new MigrationException(
            MigrationErrorReason.HypervisorFailed, $"What listens at {socketPath} does not greet as QEMU's QMP server does.",
            "Name the socket of QEMU's -qmp option; nothing else may be connected to it.", cause);
    }

    private async Task ReadMessagesAsync()
    {
        MigrationException reason = Closed(cause: null);
        try
        {
            while (await reader.ReadAsync(CancellationToken.None).ConfigureAwait(false) is { } message)
            {
                using (message) Dispatch(message.RootElement);
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            reason = Closed(exception);
        }
        catch (Exception exception)
            when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            reason = new(
                MigrationErrorReason.HypervisorFailed, $"QEMU at {socketPath} sent what is not QMP: {exception.Message}", null, exception);
        }
        catch (MigrationException exception)
        {
            reason = exception;
        }

        List<QmpEventStream> streams;
        lock (subscriptionsLock)
        {
            closed = reason;
            streams = [.. subscriptions];
        }

        foreach (QmpEventStream subscription in streams) subscription.Close(reason);
        foreach (string id in pending.Keys)
        {
            if (pending.TryRemove(id, out var waiting)) waiting.Reply.TrySetException(Again(reason));
        }
    }

    private void Dispatch(JsonElement message)
    {
        if (message.TryGetProperty("event", out JsonElement name))
        {
            Publish(name.GetString()!, message);
            return;
        }

        // An answer whose caller was cancelled finds nobody waiting.
        if (!message.TryGetProperty("id", out JsonElement id) || !pending.TryGetValue(id.GetString()!, out var waiting)) return;
        if (message.TryGetProperty("return", out JsonElement value))
        {
            waiting.Reply.TrySetResult(value.Clone());
            return;
        }

        string description = message.GetProperty("error").GetProperty("desc").GetString()!;
        waiting.Reply.TrySetException(
            new MigrationException(MigrationErrorReason.HypervisorFailed, $"QEMU refused '{waiting.Command}': {description}"));
    }

    private void Publish(string name, JsonElement message)
    {
        JsonElement timestamp = message.GetProperty("timestamp");
        DateTimeOffset time = DateTimeOffset.FromUnixTimeSeconds(timestamp.GetProperty("seconds").GetInt64())
            .AddMicroseconds(timestamp.GetProperty("microseconds").GetInt64());
        JsonElement data = message.TryGetProperty("data", out JsonElement value) ? value.Clone() : default;
        var occurred = new QmpEvent(name, data, time, Stopwatch.GetTimestamp());
        lock (subscriptionsLock)
        {
            foreach (QmpEventStream subscription in subscriptions)
            {
                if (subscription.Name == name) subscription.Publish(occurred);
            }
        }
    }

    private void Unsubscribe(QmpEventStream subscription)
    {
        lock (subscriptionsLock) subscriptions.Remove(subscription);
    }

    private MigrationException Closed(Exception? cause) =>
        new(MigrationErrorReason.VmExited, $"QEMU at {socketPath} closed its QMP connection.", null, cause);

    /// <summary>An exception of its own for each that is told.</summary>
    private static MigrationException Again(MigrationException reason) =>
        new(reason.Reason, reason.Message, reason.RecommendedAction, reason);

    private static MigrationException DescribeConnectFailure(string socketPath, Exception exception) => exception switch
    {
        SocketException { SocketErrorCode: SocketError.AccessDenied } => new(
            MigrationErrorReason.AccessDenied, $"The QMP socket {socketPath} may not be opened by this user.",
            "Run as the user QEMU runs as, or as root.", exception),
        ArgumentException => new(
            MigrationErrorReason.InvalidArgument, $"'{socketPath}' cannot be the path of a unix socket: {exception.Message}", null,
            exception),
        _ => new(
            MigrationErrorReason.VmExited, $"No QEMU listens at {socketPath}: {exception.Message}",
            "Check that the VM runs and that the path is that of its -qmp option.", exception),
    };
}
