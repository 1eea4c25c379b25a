using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>A migration's hold on an end of a mobility path, until either <see cref="ReturnAsync"/> or <see cref="EndAsync"/>.</summary>
internal sealed class LocalPathUse(LocalHostPaths paths, LocalPathEnd end)
{
    /// <summary>How the path keeps traffic apart.</summary>
    public MobilityPathKind Kind => end.Request.Kind;

    /// <summary>Where the migration's sockets are opened.</summary>
    public ISocketPlace Network => end.Prepared!.Network;

    /// <summary>Lets migrations in; at the destination only.</summary>
    public MigrationListener Listener => end.Listener!;

    /// <summary>Address at which the source reaches the destination.</summary>
    public string DestinationAddress => end.Request.DestinationVirtualAddress;

    /// <summary>The migration did not begin: the end waits for another one.</summary>
    public Task ReturnAsync() => paths.ReturnAsync(end);

    /// <summary>The migration has ended, whichever way: the end is removed. What fails is kept with it and tried again.</summary>
    /// <param name="mayBeAsked">
    /// Whether the source may still ask over the path how it ended: then it is removed as soon as the source has given that up.
    /// </param>
    public Task EndAsync(bool mayBeAsked) => paths.EndAsync(end, mayBeAsked);
}
