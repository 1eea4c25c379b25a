using System.Net;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Functional.Tests.Paths;

/// <summary>The packets and the sockets of one network while something happens in it.</summary>
internal sealed class Observation : IDisposable
{
    private readonly PacketCapture packets;
    private readonly SocketWatch sockets;

    private Observation(NetworkNamespace network)
    {
        packets = PacketCapture.Start(network);
        sockets = new(network);
    }

    /// <summary>Begins to look; the handle of the network becomes the observation's own.</summary>
    public static Observation Of(NetworkNamespace network) => new(network);

    /// <summary>Asserts that packets went from one address to the other and back, and that sockets had both.</summary>
    public void AssertCarried(IPAddress source, IPAddress destination, int leastPackets)
    {
        long forth = packets.AddressPairs.GetValueOrDefault((source, destination));
        long back = packets.AddressPairs.GetValueOrDefault((destination, source));
        Assert.True(forth >= leastPackets && back > 0, $"{forth} packets went from {source} to {destination}, {back} back. Seen: {Describe()}");
        Assert.Contains(source, sockets.Addresses);
        Assert.Contains(destination, sockets.Addresses);
    }

    /// <summary>Asserts that no packet and no socket named any of these addresses.</summary>
    public void AssertUnseen(params IPAddress[] addresses)
    {
        Assert.True(!packets.Addresses.Overlaps(addresses), $"Packets named {string.Join<IPAddress>(" or ", addresses)}. Seen: {Describe()}");
        Assert.Empty(sockets.Addresses.Intersect(addresses));
    }

    public void Dispose()
    {
        packets.Dispose();
        sockets.Dispose();
    }

    private string Describe() => string.Join(", ", packets.AddressPairs.Select(pair => $"{pair.Key.Source} > {pair.Key.Destination} ({pair.Value})"));
}
