using System.Net;
using System.Net.Sockets;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>
/// Forwards TCP connections and closes all of them abruptly once a number of bytes has passed in either direction; connections made
/// later pass.
/// </summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private readonly Socket listening = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Lock gate = new();
    private readonly List<Socket> open = [];
    private readonly List<Task> copies = [];
    private readonly IPEndPoint target;
    private readonly Task accepting;
    private long bytesLeft;

    public CuttingProxy(IPEndPoint target, long bytesUntilCut)
    {
        this.target = target;
        bytesLeft = bytesUntilCut;
        listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Listen();
        accepting = AcceptAsync();
    }

    public IPEndPoint Endpoint => (IPEndPoint)listening.LocalEndPoint!;

    public bool HasCut { get; private set; }

    /// <summary>Cuts once more, after so many more bytes.</summary>
    public void CutAfter(long bytes)
    {
        lock (gate)
        {
            bytesLeft = bytes;
            HasCut = false;
        }
    }

    /// <summary>Cuts now.</summary>
    public void Cut() => CloseAll();

    public async ValueTask DisposeAsync()
    {
        listening.Dispose();
        await accepting;
        CloseAll();
        await Task.WhenAll(copies);
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            try
            {
                Socket near = await listening.AcceptAsync();
                var far = new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                near.NoDelay = true;
                await far.ConnectAsync(target);
                lock (gate)
                {
                    open.Add(near);
                    open.Add(far);
                    copies.Add(CopyAsync(near, far));
                    copies.Add(CopyAsync(far, near));
                }
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task CopyAsync(Socket from, Socket to)
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            while (true)
            {
                int count = await from.ReceiveAsync(buffer);
                if (count == 0) break;
                int passing = Pass(count);
                if (passing > 0) await to.SendAsync(buffer.AsMemory(0, passing));
                if (passing < count)
                {
                    CloseAll();
                    return;
                }
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // One half of a connection ended: so does the other, as with a real cable.
            from.Dispose();
            to.Dispose();
        }
    }

    /// <summary>How many of these bytes may still pass.</summary>
    private int Pass(int count)
    {
        lock (gate)
        {
            if (HasCut || count <= bytesLeft)
            {
                bytesLeft -= count;
                return count;
            }

            HasCut = true;
            return (int)bytesLeft;
        }
    }

    private void CloseAll()
    {
        lock (gate)
        {
            // A close without linger sends a reset, as a pulled cable ends.
            foreach (Socket socket in open) socket.Close(0);
            open.Clear();
        }
    }
}
