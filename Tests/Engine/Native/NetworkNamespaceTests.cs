using System.Net;
using System.Net.Sockets;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

public class NetworkNamespaceTests
{
    [Fact]
    public void What_runs_inside_sees_no_network_but_a_loopback_that_is_down()
    {
        using NetworkNamespace space = NetworkNamespace.Create();

        string[] devices = space.Run(() => File.ReadAllLines("/proc/thread-self/net/dev")[2..]);

        Assert.Equal("lo", Assert.Single(devices).Split(':')[0].Trim());
        Assert.NotEqual(Inode("/proc/thread-self/ns/net"), space.Run(() => Inode("/proc/thread-self/ns/net")));
    }

    [Fact]
    public void A_socket_opened_inside_stays_there_and_outlives_the_handle()
    {
        NetworkNamespace space = NetworkNamespace.Create();
        using Socket socket = space.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        space.Dispose();

        // Its loopback is down: nothing is reached, not even this machine.
        var error = Assert.Throws<SocketException>(() => socket.Connect(IPAddress.Loopback, 9));

        Assert.Equal(SocketError.NetworkUnreachable, error.SocketErrorCode);
        Assert.Throws<ObjectDisposedException>(() => space.Run(() => 0));
    }

    [Fact]
    public void What_the_work_throws_passes_as_it_is()
    {
        using NetworkNamespace space = NetworkNamespace.Create();

        Assert.Throws<InvalidTimeZoneException>(() => space.Run<int>(() => throw new InvalidTimeZoneException()));
    }

    private static string Inode(string path) => new FileInfo(path).LinkTarget!;
}
