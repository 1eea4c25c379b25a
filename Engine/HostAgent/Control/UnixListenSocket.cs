using System.Net.Sockets;
using VmMigration.Engine;
using VmMigration.Engine.Native;

namespace VmMigration.HostAgent.Control;

/// <summary>Makes the unix socket that an agent listens on. Closing it removes its file.</summary>
internal static class UnixListenSocket
{
    /// <summary>Binds the socket with its permissions set before anybody can connect: nobody can until it listens.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where another process listens there;
    /// <see cref="MigrationErrorReason.InvalidArgument"/> where something else lies there, or the group does not exist;
    /// <see cref="MigrationErrorReason.AccessDenied"/> where the rights do not suffice.
    /// </exception>
    public static Socket Bind(UnixSocketOptions options)
    {
        RemoveStale(options.Path);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint(options.Path));
            if (options.Group is { } group) FileOwner.SetGroup(options.Path, UserGroup.FindId(group));
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(options.Path, options.Mode);
            return socket;
        }
        catch (Exception e)
        {
            socket.Dispose();
            throw e is SocketException or IOException or UnauthorizedAccessException
                ? new MigrationException(
                    e is SocketException { SocketErrorCode: SocketError.AccessDenied } or UnauthorizedAccessException
                        ? MigrationErrorReason.AccessDenied : MigrationErrorReason.InvalidArgument,
                    $"The socket '{options.Path}' cannot be made: {e.Message}", "Name a path in an existing directory that the agent may write.", e)
                : e;
        }
    }

    /// <summary>An agent that was killed leaves its socket, to which nobody listens any more.</summary>
    private static void RemoveStale(string path)
    {
        if (!File.Exists(path)) return;
        using var trial = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            trial.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused && IsSocket(path))
        {
            File.Delete(path);
            return;
        }
        catch (SocketException e)
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument,
                $"'{path}' exists and is no socket that an agent left: {e.Message}", "Name another path, or remove what is there.", e);
        }

        throw new MigrationException(MigrationErrorReason.InvalidState, $"Another process listens on '{path}'.",
            "Stop the other agent, or name another path.");
    }

    // connect(2) refuses an ordinary file as well; only a socket may be removed.
    private static bool IsSocket(string path) =>
        OperatingSystem.IsLinux() && FileOwner.IsSocket(path);
}
