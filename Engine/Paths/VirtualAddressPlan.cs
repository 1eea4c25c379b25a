using System.Buffers.Binary;
using System.Net;
using System.Security.Cryptography;

namespace VmMigration.Engine.Paths;

/// <summary>
/// The numbers of one mobility path, drawn at random so that paths made by sessions that know nothing of each other hardly ever meet; the
/// kernel refuses the second of two that do on one host, and whoever makes it draws again.
/// </summary>
/// <param name="SourceAddress">Virtual address of the source.</param>
/// <param name="DestinationAddress">Virtual address of the destination.</param>
/// <param name="NetworkIdentifier">VXLAN network identifier, 1 to 16,777,215; 0 without an overlay.</param>
/// <param name="DataPort">TCP port of the destination.</param>
internal sealed record VirtualAddressPlan(IPAddress SourceAddress, IPAddress DestinationAddress, int NetworkIdentifier, int DataPort)
{
    /// <summary>Length of the network prefix both addresses of an overlay share.</summary>
    public const int OverlayPrefixLength = 64;

    // The dynamic ports of RFC 6335.
    private const int FirstDataPort = 49_152;
    private const int EndOfDataPorts = 65_536;

    // 100.64.0.0/10, the shared address space of RFC 6598.
    private const uint SharedAddressSpace = 0x64400000;
    private const int SharedAddressBits = 22;

    /// <summary>Draws the numbers of a path of that kind.</summary>
    public static VirtualAddressPlan Draw(MobilityPathKind kind) => kind switch
    {
        MobilityPathKind.Overlay => DrawOverlay(),
        MobilityPathKind.Nat => DrawNat(),
        _ => throw new MigrationException(MigrationErrorReason.InvalidArgument, $"A path of kind {kind} has no virtual addresses."),
    };

    /// <summary>fd00::/8 with a global id and a subnet of 56 random bits (RFC 4193); the hosts are ::1 and ::2 in it.</summary>
    private static VirtualAddressPlan DrawOverlay()
    {
        byte[] source = new byte[16];
        RandomNumberGenerator.Fill(source.AsSpan(1, 7));
        source[0] = 0xfd;
        byte[] destination = [.. source];
        source[15] = 1;
        destination[15] = 2;
        return new(new(source), new(destination), RandomNumberGenerator.GetInt32(1, 1 << 24), DrawPort());
    }

    /// <summary>A pair of neighbours: even and odd, so that pairs meet as a whole or not at all.</summary>
    private static VirtualAddressPlan DrawNat()
    {
        uint source = SharedAddressSpace | ((uint)RandomNumberGenerator.GetInt32(0, 1 << (SharedAddressBits - 1)) << 1);
        return new(ToAddress(source), ToAddress(source | 1), 0, DrawPort());
    }

    private static int DrawPort() => RandomNumberGenerator.GetInt32(FirstDataPort, EndOfDataPorts);

    private static IPAddress ToAddress(uint bits)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, bits);
        return new(bytes);
    }
}
