using System.Net;

namespace VmMigration.Engine.Paths;

/// <summary>What a provider made of a request, until it is removed.</summary>
internal abstract class PreparedPathEnd
{
    /// <summary>Names of what the kernel has for it.</summary>
    public abstract IReadOnlyList<string> Resources { get; }

    /// <summary>Where the sockets of the path are opened.</summary>
    public abstract PathNetwork Network { get; }

    /// <summary>Where the destination listens; null at the other hosts.</summary>
    public virtual IPEndPoint? ListenEndpoint => null;

    /// <summary>Waits until the sockets of the path, which are closed, have delivered what they sent.</summary>
    public virtual Task DrainAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Removes it all, sockets apart; may be called again where it failed.</summary>
    /// <exception cref="MigrationException">Where something stayed.</exception>
    public abstract Task RemoveAsync(CancellationToken cancellationToken);
}
