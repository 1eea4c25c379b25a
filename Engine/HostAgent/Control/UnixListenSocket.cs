using System.Net.Sockets;
using VmMigration.Engine;
using VmMigration.Engine.Native;

namespace VmMigration.HostAgent.Control;

/// <summary>Makes the unix socket that an agent listens on. Closing it removes its file.</summary>
internal static class UnixListenSocket
{
    // Kestrel's own; clients that come before it accepts wait there.
    private const int Backlog = 512;

    /// <summary>
    /// Makes a socket that listens, with its permissions set before anybody can connect: nobody can until it listens. Of several agents
    /// that open one path at once all but one are refused.
    /// </summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where another process listens there or is about to;
    /// <see cref="MigrationErrorReason.InvalidArgument"/> where something else lies there, or the group does not exist;
    /// <see cref="MigrationErrorReason.AccessDenied"/> where the rights do not suffice.
    /// </exception>
    public static Socket Bind(UnixSocketOptions options)
    {
        // Until it listens, it looks like one that a killed agent left: nobody else may look before. The lock's file stays, for whoever
        // removed it could remove one that another agent has locked meanwhile.
        using FileStream opening = Lock(options.Path + ".lock");
        RemoveStale(options.Path);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint(options.Path));
            if (options.Group is { } group) FileOwner.SetGroup(options.Path, UserGroup.FindId(group));
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(options.Path, options.Mode);
            socket.Listen(Backlog);
            return socket;
        }
        catch (Exception e)
        {
            socket.Dispose();
            throw e is SocketException or IOException or UnauthorizedAccessException ? Refused(options.Path, e) : e;
        }
    }

    // FileShare.None is flock(2) on unix systems: it goes with the process, however that ends.
    private static FileStream Lock(string path)
    {
        try
        {
            var how = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None };
            if (!OperatingSystem.IsWindows()) how.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            return new(path, how);
        }
        catch (IOException e) when (e.GetType() == typeof(IOException) && File.Exists(path))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState, $"Another agent is opening the socket beside '{path}': {e.Message}",
                "Stop the other agent, or name another path.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refused(path, e);
        }
    }

    private static MigrationException Refused(string path, Exception e) => new(
        e is SocketException { SocketErrorCode: SocketError.AccessDenied } or UnauthorizedAccessException
            ? MigrationErrorReason.AccessDenied : MigrationErrorReason.InvalidArgument,
        $"The socket '{path}' cannot be made: {e.Message}", "Name a path in an existing directory that the agent may write.", e);

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
