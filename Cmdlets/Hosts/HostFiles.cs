using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;

namespace VmMigration.Cmdlets;

/// <summary>Files that hosts read and write: an agent's are those of its machine, which need not be this one.</summary>
internal static class HostFiles
{
    /// <summary>
    /// A path as its host is to be told it: of a host of this process resolved by the session, of an agent's as it was written.
    /// </summary>
    /// <param name="hostName">The host; that there is none of this name is for others to say.</param>
    /// <param name="path">The path, as it was written; null stays null.</param>
    /// <param name="resolve">How the session resolves paths.</param>
    public static string? Name(string hostName, string? path, Func<string, string> resolve) =>
        path is null || HostRegistry.TryGet(hostName) is RemoteHost ? path : resolve(path);

    /// <summary>
    /// A disk's path as its host is to be told it: one that begins with <c>.</c>, <c>..</c> or <c>~</c>, or names a drive of the session, is
    /// resolved by the session where the host is of this process; all others are the host's, relative ones its datastore's.
    /// </summary>
    /// <param name="hostName">The host; that there is none of this name is for others to say.</param>
    /// <param name="path">The path, as it was written.</param>
    /// <param name="resolve">How the session resolves paths.</param>
    public static string NameDisk(string hostName, string path, Func<string, string> resolve)
    {
        string first = path.Split('/', System.IO.Path.DirectorySeparatorChar)[0];
        bool isOfSession = path.Length > first.Length && (first is "." or ".." or "~" || first.Contains(':', StringComparison.Ordinal));
        return isOfSession ? Name(hostName, path, resolve)! : path;
    }

    /// <summary>Refuses where the host's files are not those of this machine.</summary>
    /// <param name="host">The host.</param>
    /// <param name="what">What needs the files, as the start of a sentence.</param>
    /// <param name="recommendedAction">What to do instead.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.PrerequisiteMissing"/> where it is another machine.</exception>
    public static async Task RequireThisMachineAsync(
        IMigrationHost host, string what, string recommendedAction, CancellationToken cancellationToken)
    {
        if (host is not RemoteHost) return;
        string machine = (await host.DescribeAsync(cancellationToken).ConfigureAwait(false)).MachineName;
        if (machine == Environment.MachineName) return;
        throw new MigrationException(MigrationErrorReason.PrerequisiteMissing,
            $"{what} uses files of the host's machine, and {host.Name} is on {machine}, not on {Environment.MachineName}.", recommendedAction);
    }
}
