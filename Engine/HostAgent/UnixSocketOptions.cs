using System.Text;

namespace VmMigration.HostAgent;

/// <summary>A unix socket for control from this machine. Whoever may write to it may do everything: its permissions are the access control.</summary>
/// <param name="Path">Path of the socket; its directory must exist.</param>
public sealed record UnixSocketOptions(string Path)
{
    // sun_path of sockaddr_un, unix(7), with its closing zero.
    private const int MaxPathBytes = 107;

    private const UnixFileMode EveryAccess = (UnixFileMode)0b111_111_111;

    /// <summary>Permissions of the socket; the owner is the agent's user.</summary>
    public UnixFileMode Mode { get; init; } =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    /// <summary>Name or number of the group that owns the socket; null leaves the agent's group.</summary>
    public string? Group { get; init; }

    internal IEnumerable<string> FindProblems()
    {
        if (Path.Length == 0 || Encoding.UTF8.GetByteCount(Path) > MaxPathBytes)
        {
            yield return $"'control.unixSocket.path' is '{Path}': a socket's path has 1 to {MaxPathBytes} bytes.";
        }

        if ((Mode & ~EveryAccess) != 0) yield return "'control.unixSocket.mode' is more than permissions: 0000 to 0777.";
    }
}
