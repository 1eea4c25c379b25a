using System.Net.Sockets;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// The network in which the sockets of a migration are opened. A socket stays for ever in the one it was opened in (setns(2)), whoever
/// uses it later.
/// </summary>
internal interface ISocketPlace
{
    /// <summary>Opens a TCP socket that is neither bound nor connected. Blocks, at most for the time of a few system calls.</summary>
    /// <exception cref="SocketException">Where there are no more descriptors.</exception>
    /// <exception cref="MigrationException">Where the network is gone.</exception>
    Socket Open(AddressFamily family);
}
