using System.Net;
using System.Net.Sockets;

namespace VmMigration.Engine.Tests.Protocol;

/// <summary>Forwards TCP connections and shows every piece of them to a test, which may change its bytes.</summary>
internal sealed class InspectingProxy : IAsyncDisposable
{
    private readonly Socket listening = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Lock gate = new();
    private readonly List<Socket> open = [];
    private readonly List<Task> copies = [];
    private readonly IPEndPoint target;
    private readonly Action<int, bool, long, Memory<byte>> inspect;
    private readonly Task accepting;

    /// <param name="target">Where to.</param>
    /// <param name="inspect">
    /// Gets the number of the connection from 0, whether the piece goes towards the target, its offset in that direction, and its bytes.
    /// Pieces of one direction come in order; those of several come at once.
    /// </param>
    public InspectingProxy(IPEndPoint target, Action<int, bool, long, Memory<byte>> inspect)
    {
        this.target = target;
        this.inspect = inspect;
        listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Listen();
        accepting = AcceptAsync();
    }

    public IPEndPoint Endpoint => (IPEndPoint)listening.LocalEndPoint!;

    public async ValueTask DisposeAsync()
    {
        listening.Dispose();
        await accepting;
        lock (gate)
        {
            foreach (Socket socket in open) socket.Dispose();
        }

        await Task.WhenAll(copies);
    }

    private async Task AcceptAsync()
    {
        for (int connection = 0; ; connection++)
        {
            try
            {
                Socket near = await listening.AcceptAsync();
                var far = new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                near.NoDelay = true;
                await far.ConnectAsync(target);
                int number = connection;
                lock (gate)
                {
                    open.AddRange([near, far]);
                    copies.AddRange([CopyAsync(number, true, near, far), CopyAsync(number, false, far, near)]);
                }
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task CopyAsync(int connection, bool towardsTarget, Socket from, Socket to)
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            for (long offset = 0; ;)
            {
                int count = await from.ReceiveAsync(buffer);
                if (count == 0) break;
                inspect(connection, towardsTarget, offset, buffer.AsMemory(0, count));
                await to.SendAsync(buffer.AsMemory(0, count));
                offset += count;
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // One half of a connection ended: so does the other.
            from.Dispose();
            to.Dispose();
        }
    }
}
