using System.Net.Sockets;

namespace VmMigration.Engine.Protocol;

/// <summary>The ordinary network of the machine.</summary>
internal sealed class MachineNetwork : ISocketPlace
{
    private MachineNetwork()
    {
    }

    /// <summary>There is only one.</summary>
    public static MachineNetwork Instance { get; } = new();

    /// <inheritdoc/>
    public Socket Open(AddressFamily family) => new(family, SocketType.Stream, ProtocolType.Tcp);
}
