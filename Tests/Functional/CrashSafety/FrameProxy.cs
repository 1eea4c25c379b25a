using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using VmMigration.Engine.Protocol;

namespace VmMigration.Functional.Tests.CrashSafety;

/// <summary>
/// Stands between a source and a destination that talk in plain text, knows the frames that pass, and does something at the moment one
/// of them passes. The frames are the states of the protocol: so a test reaches each of them without a hook in the product.
/// </summary>
internal sealed class FrameProxy : IAsyncDisposable
{
    private readonly Socket listening = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Lock gate = new();
    private readonly List<Socket> open = [];
    private readonly List<Task> copies = [];
    private readonly IPEndPoint target;
    private readonly FrameMoment moment;
    private readonly Func<Task> act;
    private readonly TaskCompletionSource acted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task accepting;
    private int framesLeft;
    private bool armed = true;
    private bool closed;

    /// <param name="target">Where the destination listens.</param>
    /// <param name="moment">When to act.</param>
    /// <param name="act">What to do then, once; the frame's connection stands still meanwhile.</param>
    public FrameProxy(IPEndPoint target, FrameMoment moment, Func<Task> act)
    {
        this.target = target;
        this.moment = moment;
        this.act = act;
        framesLeft = moment.Nth;
        listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Listen();
        accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)listening.LocalEndPoint!).Port;

    /// <summary>Ends once the act is done; fails as it does.</summary>
    public Task Acted => acted.Task;

    public async ValueTask DisposeAsync()
    {
        lock (gate) closed = true;
        listening.Dispose();
        await accepting;
        Task[] running;
        lock (gate)
        {
            foreach (Socket socket in open) socket.Close(0);
            running = [.. copies];
        }

        await Task.WhenAll(running);
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            try
            {
                Socket near = await listening.AcceptAsync();
                lock (gate) copies.Add(ServeAsync(near));
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(Socket near)
    {
        var far = new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        near.NoDelay = true;
        lock (gate)
        {
            open.Add(near);
            open.Add(far);
            if (closed)
            {
                near.Close(0);
                far.Close(0);
            }
        }

        try
        {
            await far.ConnectAsync(target);
            byte[] hello = new byte[Hello.SizeBytes];
            if (!await ReadAsync(near, hello)) return;
            await SendAsync(far, hello);
            var role = (ConnectionRole)BinaryPrimitives.ReadUInt16LittleEndian(hello.AsSpan(10));
            await Task.WhenAll(CopyAsync(near, far, role, fromSource: true), CopyAsync(far, near, role, fromSource: false));
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The destination is not there (any more), or the test ends: the source sees its connection end, as it would without a proxy.
        }
        finally
        {
            near.Dispose();
            far.Dispose();
        }
    }

    private async Task CopyAsync(Socket from, Socket to, ConnectionRole role, bool fromSource)
    {
        byte[] frame = new byte[FrameHeader.SizeBytes + PageFrame.MaxHeadBytes + PageFrame.MaxPayloadBytes];
        try
        {
            while (await ReadAsync(from, frame.AsMemory(0, FrameHeader.SizeBytes)))
            {
                int bytes = BinaryPrimitives.ReadInt32LittleEndian(frame.AsSpan(4));
                if (!await ReadAsync(from, frame.AsMemory(FrameHeader.SizeBytes, bytes))) break;
                var type = (FrameType)BinaryPrimitives.ReadUInt16LittleEndian(frame);
                bool now = TryReach(type, role, fromSource);
                if (now && !moment.Delivered) await ActAsync();
                await SendAsync(to, frame.AsMemory(0, FrameHeader.SizeBytes + bytes));
                if (now && moment.Delivered) await ActAsync();
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

    private bool TryReach(FrameType type, ConnectionRole role, bool fromSource)
    {
        if (type != moment.Type || fromSource != moment.FromSource) return false;
        if (role is not (ConnectionRole.Control or ConnectionRole.Data)) return false;
        lock (gate)
        {
            if (!armed || --framesLeft > 0) return false;
            armed = false;
            return true;
        }
    }

    private async Task ActAsync()
    {
        try
        {
            await act();
            acted.SetResult();
        }
        catch (Exception error)
        {
            acted.SetException(error);
        }
    }

    private static async Task<bool> ReadAsync(Socket socket, Memory<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            int count = await socket.ReceiveAsync(buffer);
            if (count == 0) return false;
            buffer = buffer[count..];
        }

        return true;
    }

    private static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> buffer)
    {
        while (buffer.Length > 0) buffer = buffer[await socket.SendAsync(buffer)..];
    }
}
