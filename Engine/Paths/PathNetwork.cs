using System.Net.Sockets;
using VmMigration.Engine.Native;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Paths;

/// <summary>A network in which sockets are opened and programs started: that of the process, or one of its own.</summary>
/// <param name="space">The namespace, which stays the caller's; null for that of the process.</param>
internal sealed class PathNetwork(NetworkNamespace? space) : ISocketPlace
{
    /// <summary>That of the process.</summary>
    public static PathNetwork OfProcess { get; } = new(null);

    /// <summary>Runs <paramref name="work"/> inside.</summary>
    public T Run<T>(Func<T> work) => space is null ? work() : space.Run(work);

    /// <inheritdoc/>
    public Socket Open(AddressFamily family)
    {
        try
        {
            return Run(() => new Socket(family, SocketType.Stream, ProtocolType.Tcp));
        }
        catch (ObjectDisposedException error)
        {
            throw new MigrationException(
                MigrationErrorReason.ConnectionLost, "The mobility path is removed: no connection can be opened over it any more.",
                "Make a path anew.", error);
        }
    }
}
