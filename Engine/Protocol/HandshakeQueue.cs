using System.Diagnostics;
using System.Net.Sockets;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// The connections that have not shown a ticket yet, of which there are at most so many at once. Where all places are taken, the one that
/// has waited longest is closed for the next: strangers that say nothing keep nobody out.
/// </summary>
/// <param name="places">How many may wait at once.</param>
/// <param name="grace">
/// For how long a connection is not closed for another. A source sends its hello with its first packet, so this only lets a burst of
/// them through.
/// </param>
internal sealed class HandshakeQueue(int places, TimeSpan grace) : IAsyncDisposable
{
    private readonly SemaphoreSlim free = new(places, places);
    private readonly LinkedList<Handshake> waiting = new();
    private readonly Lock waitingLock = new();

    /// <summary>Takes a place for a connection, within the grace where all are taken by others.</summary>
    public async Task<Handshake> EnterAsync(Socket socket)
    {
        while (!await free.WaitAsync(FindRestOfGrace()).ConfigureAwait(false))
        {
            if (!TryCloseOldest()) continue;

            // The thread that reads from it gives its place back at once.
            await free.WaitAsync().ConfigureAwait(false);
            break;
        }

        lock (waitingLock)
        {
            var handshake = new Handshake(socket, Stopwatch.GetTimestamp());
            waiting.AddLast(handshake);
            return handshake;
        }
    }

    /// <summary>Gives the place back, once for each <see cref="EnterAsync"/>; from now on nobody closes the connection.</summary>
    public void Leave(Handshake handshake)
    {
        lock (waitingLock) waiting.Remove(handshake);
        free.Release();
    }

    /// <summary>Waits until everybody has left; the owner closes the connections.</summary>
    public async ValueTask DisposeAsync()
    {
        for (int i = 0; i < places; i++) await free.WaitAsync().ConfigureAwait(false);
        free.Dispose();
    }

    private TimeSpan FindRestOfGrace()
    {
        lock (waitingLock)
        {
            if (waiting.First is not { Value: { } oldest }) return grace;
            TimeSpan rest = grace - Stopwatch.GetElapsedTime(oldest.Since);
            return rest > TimeSpan.Zero ? rest : TimeSpan.Zero;
        }
    }

    private bool TryCloseOldest()
    {
        lock (waitingLock)
        {
            if (waiting.First is not { Value: { } oldest } || Stopwatch.GetElapsedTime(oldest.Since) < grace) return false;
            waiting.RemoveFirst();
            oldest.Displaced = true;
            oldest.Socket.Dispose();
            return true;
        }
    }

    /// <summary>A connection that has not shown a ticket yet.</summary>
    /// <param name="socket">Its socket; the one who entered it owns it.</param>
    /// <param name="since">Timestamp of its entry.</param>
    public sealed class Handshake(Socket socket, long since)
    {
        public Socket Socket { get; } = socket;

        public long Since { get; } = since;

        /// <summary>Whether it was closed for another.</summary>
        public volatile bool Displaced;
    }
}
