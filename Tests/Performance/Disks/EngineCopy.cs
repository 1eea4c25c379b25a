using VmMigration.Engine;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Protocol;

namespace VmMigration.Performance.Disks;

/// <summary>This engine: two hosts in this process. A copy is verified and on the storage at its end.</summary>
internal sealed class EngineCopy : IDiskCopyWay
{
    private readonly LinkSecurity security;
    private readonly DiskTransferOptions options;

    private EngineCopy(LinkSecurity security, DiskTransferOptions options, LocalHost source, LocalHost destination)
    {
        this.security = security;
        this.options = options;
        Source = source;
        Destination = destination;
    }

    public string Name => NameOf(security);

    public bool IsNetworkPeer => false;

    public LocalHost Source { get; }

    public LocalHost Destination { get; }

    public static string NameOf(LinkSecurity security) => $"engine {security.ToString().ToLowerInvariant()}";

    /// <summary>Opens the hosts.</summary>
    public static async Task<EngineCopy> OpenAsync(
        DiskScratch scratch, LinkSecurity security, DiskTransferOptions options, CancellationToken cancellationToken)
    {
        LocalHost source = await OpenAsync(scratch, "source", security, cancellationToken);
        try
        {
            return new(security, options, source, await OpenAsync(scratch, "destination", security, cancellationToken));
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }
    }

    public Task PrepareAsync(string targetPath, long sizeBytes, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Copies the image.</summary>
    /// <returns>The last status.</returns>
    public async Task<DiskTransferStatus> CopyAsync(string imagePath, string targetPath, CancellationToken cancellationToken)
    {
        DiskTransferStatus status = await DiskTransferBroker.StartAsync(
            Source, imagePath, Destination, targetPath, options, MobilityPathChoice.Direct, cancellationToken);
        await foreach (DiskTransferStatus next in Source.Disks.WatchDiskTransferAsync(status.Id, cancellationToken)) status = next;
        return status.State == DiskTransferState.Completed
            ? status : throw new MigrationException(status.ErrorReason, status.ErrorMessage ?? "no reason", status.RecommendedAction);
    }

    Task IDiskCopyWay.CopyAsync(string imagePath, string targetPath, CancellationToken cancellationToken) =>
        CopyAsync(imagePath, targetPath, cancellationToken);

    public Task FinishAsync() => Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        await Destination.DisposeAsync();
    }

    private static Task<LocalHost> OpenAsync(DiskScratch scratch, string name, LinkSecurity security, CancellationToken cancellationToken)
    {
        string full = $"{name}-{security}".ToLowerInvariant();
        return LocalHost.OpenAsync(
            new() { Name = full, StateDirectory = scratch.MakeDirectory(full), LinkSecurity = security }, cancellationToken);
    }
}
