namespace VmMigration.Performance.Disks;

/// <summary>A way to copy an image to another place on this machine.</summary>
internal interface IDiskCopyWay : IAsyncDisposable
{
    /// <summary>Its name in the output.</summary>
    string Name { get; }

    /// <summary>Whether it goes over the network.</summary>
    bool IsNetworkPeer { get; }

    /// <summary>Makes what the copy does not count: an empty target where the way wants one, its server.</summary>
    /// <param name="targetPath">Absolute path of the copy; no file has it.</param>
    /// <param name="sizeBytes">Size of the image.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    Task PrepareAsync(string targetPath, long sizeBytes, CancellationToken cancellationToken);

    /// <summary>Copies; returns when whoever copies says that it is done.</summary>
    Task CopyAsync(string imagePath, string targetPath, CancellationToken cancellationToken);

    /// <summary>Ends what <see cref="PrepareAsync"/> started for one copy.</summary>
    Task FinishAsync();
}
