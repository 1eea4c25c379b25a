using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace VmMigration.Engine.Paths;

/// <summary>What the kernel's routes say of the way to an address.</summary>
/// <param name="LocalAddress">Address of this machine that packets on this way carry.</param>
/// <param name="MtuBytes">Size of the largest IP packet that the way is known to carry, in bytes.</param>
internal sealed record RouteProbe(IPAddress LocalAddress, int MtuBytes)
{
    // IP_MTU of ip(7) and IPV6_MTU of ipv6(7): the path MTU of a connected socket.
    private const int ProtocolIp = 0;
    private const int OptionIpMtu = 14;
    private const int ProtocolIpv6 = 41;
    private const int OptionIpv6Mtu = 24;

    // Any port: connecting a datagram socket sends nothing.
    private const int AnyPort = 9;

    /// <summary>Looks the way up. No packet is sent.</summary>
    /// <param name="network">Whose routes.</param>
    /// <param name="local">Address of this machine to start from; null leaves the choice to the kernel.</param>
    /// <param name="remote">Where to.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> where <paramref name="local"/> is no address of this machine or nothing leads to
    /// <paramref name="remote"/>.
    /// </exception>
    public static RouteProbe Look(PathNetwork network, IPAddress? local, IPAddress remote) => network.Run(() =>
    {
        using var socket = new Socket(remote.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            if (local is not null) socket.Bind(new IPEndPoint(local, 0));
            socket.Connect(remote, AnyPort);
            Span<byte> mtu = stackalloc byte[sizeof(int)];
            if (remote.AddressFamily == AddressFamily.InterNetworkV6) socket.GetRawSocketOption(ProtocolIpv6, OptionIpv6Mtu, mtu);
            else socket.GetRawSocketOption(ProtocolIp, OptionIpMtu, mtu);
            int bytes = BitConverter.IsLittleEndian ? BinaryPrimitives.ReadInt32LittleEndian(mtu) : BinaryPrimitives.ReadInt32BigEndian(mtu);
            return new RouteProbe(((IPEndPoint)socket.LocalEndPoint!).Address, bytes);
        }
        catch (SocketException error)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument,
                $"No way leads from {local?.ToString() ?? "this machine"} to {remote}: {error.Message}",
                "Name addresses of the hosts that reach each other.", error);
        }
    });
}
