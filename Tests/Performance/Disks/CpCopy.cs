namespace VmMigration.Performance.Disks;

/// <summary>cp(1), which goes over no network: the limit.</summary>
internal sealed class CpCopy : IDiskCopyWay
{
    public string Name => "cp";

    public bool IsNetworkPeer => false;

    public Task PrepareAsync(string targetPath, long sizeBytes, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task CopyAsync(string imagePath, string targetPath, CancellationToken cancellationToken) =>
        CopyCommand.RunAsync(["cp", "--sparse=auto", "--reflink=never", imagePath, targetPath], cancellationToken);

    public Task FinishAsync() => Task.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
