using System.Net.Sockets;

namespace VmMigration.Engine.Protocol;

/// <summary>Passes bytes on between two connections, both ways at once, until either ends.</summary>
internal static class ByteRelay
{
    // As large as what an NBD client of QEMU asks for at once.
    private const int BufferBytes = 256 << 10;

    /// <summary>Runs until one of the connections ends; both are closed then. Throws nothing but a cancellation.</summary>
    /// <returns>What broke it; null where a peer closed its connection in order.</returns>
    public static async Task<Exception?> RunAsync(Stream one, Stream other, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<Exception?> there = CopyAsync(one, other, stop.Token);
        Task<Exception?> back = CopyAsync(other, one, stop.Token);
        Exception? error = await (await Task.WhenAny(there, back).ConfigureAwait(false)).ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
        await one.DisposeAsync().ConfigureAwait(false);
        await other.DisposeAsync().ConfigureAwait(false);
        await Task.WhenAll(there, back).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return error;
    }

    /// <summary>Connects to a unix socket.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.HypervisorFailed"/> where nobody listens there.</exception>
    public static async Task<NetworkStream> ConnectAsync(string socketPath, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken).ConfigureAwait(false);
            return new(socket, ownsSocket: true);
        }
        catch (SocketException error)
        {
            socket.Dispose();
            throw new MigrationException(
                MigrationErrorReason.HypervisorFailed, $"Nobody listens at {socketPath}: {error.Message}", null, error);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async Task<Exception?> CopyAsync(Stream from, Stream to, CancellationToken cancellationToken)
    {
        try
        {
            await from.CopyToAsync(to, BufferBytes, cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (Exception error) when (LinkTransport.IsBroken(error) || error is OperationCanceledException)
        {
            return error;
        }
    }
}
