using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using VmMigration.Engine.Native;

namespace VmMigration.Functional.Tests.Paths;

/// <summary>
/// Counts the packets of all devices of a network by their addresses, those of ARP included (packet(7)). What comes faster than it reads
/// the kernel leaves out; <see cref="AddressPairs"/> then lacks packets, and only a pair none of whose packets were read.
/// </summary>
internal sealed class PacketCapture : IDisposable
{
    // ETH_P_ALL in network byte order.
    private const ProtocolType EveryProtocol = (ProtocolType)0x0300;

    private const int EthernetBytes = 14;
    private const int ReceiveBufferBytes = 16 << 20;
    private const int Ipv4Type = 0x0800;
    private const int ArpType = 0x0806;
    private const int Ipv6Type = 0x86dd;

    // How soon it notices that it is to end.
    private const int ReceiveTimeoutMilliseconds = 100;

    private readonly Socket socket;
    private readonly Thread thread;
    private readonly ConcurrentDictionary<(IPAddress Source, IPAddress Destination), long> pairs = new();
    private volatile bool ends;

    private PacketCapture(Socket socket)
    {
        this.socket = socket;
        socket.ReceiveTimeout = ReceiveTimeoutMilliseconds;
        socket.ReceiveBufferSize = ReceiveBufferBytes;
        thread = new(Run) { IsBackground = true, Name = "packet capture" };
        thread.Start();
    }

    /// <summary>The packets read so far, by the addresses they went from and to.</summary>
    public IReadOnlyDictionary<(IPAddress Source, IPAddress Destination), long> AddressPairs => pairs;

    /// <summary>Every address that a packet named.</summary>
    public IReadOnlySet<IPAddress> Addresses => pairs.Keys.SelectMany(pair => new[] { pair.Source, pair.Destination }).ToHashSet();

    public static PacketCapture Start(NetworkNamespace network) =>
        new(network.Run(() => new Socket(AddressFamily.Packet, SocketType.Raw, EveryProtocol)));

    /// <summary>Reads no more; what was read stays.</summary>
    public void Stop()
    {
        ends = true;
        thread.Join();
    }

    public void Dispose()
    {
        Stop();
        socket.Dispose();
    }

    private static (IPAddress Source, IPAddress Destination)? ReadAddresses(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < EthernetBytes) return null;
        ReadOnlySpan<byte> packet = frame[EthernetBytes..];
        return BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) switch
        {
            Ipv4Type when packet.Length >= 20 => (new(packet[12..16]), new(packet[16..20])),
            Ipv6Type when packet.Length >= 40 => (new(packet[8..24]), new(packet[24..40])),
            ArpType when packet.Length >= 28 => (new(packet[14..18]), new(packet[24..28])),
            _ => null,
        };
    }

    private void Run()
    {
        // Room for the headers; the rest of a packet is cut off.
        byte[] frame = new byte[EthernetBytes + 40];
        while (!ends)
        {
            int length;
            try
            {
                length = socket.Receive(frame);
            }
            catch (SocketException nothing) when (nothing.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
            {
                continue;
            }
            catch (SocketException down) when (down.SocketErrorCode == SocketError.NetworkDown)
            {
                // A device of the network went; the others are read on.
                continue;
            }

            if (ReadAddresses(frame.AsSpan(0, length)) is { } addresses) pairs.AddOrUpdate(addresses, 1, (_, count) => count + 1);
        }
    }
}
