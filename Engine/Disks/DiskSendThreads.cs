using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>The data connections of a disk's source, each with a thread of its own. Disposal ends them.</summary>
internal sealed class DiskSendThreads(
    DiskSendQueue queue, IDiskContents disk, DiskCompression compression, BandwidthLimit limit, DiskTransferCounts counts) : IAsyncDisposable
{
    // 16 MiB in all: what a broken link costs at most.
    private const int MaxUnansweredBlocks = 16;

    private readonly List<DataConnection> connections = [];
    private readonly List<Task> running = [];
    private readonly CancellationTokenSource stop = new();
    private readonly TaskCompletionSource<MigrationException> failure = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the reason once a block could not be sent.</summary>
    public Task<MigrationException> Failure => failure.Task;

    /// <summary>Connects and begins to send.</summary>
    public async Task StartAsync(MigrationDialer dialer, int channels, CancellationToken cancellationToken)
    {
        await Task.Run(
            () =>
            {
                for (int i = 0; i < channels; i++) connections.Add(dialer.ConnectData(i, cancellationToken, ConnectionRole.DiskData));
            },
            cancellationToken).ConfigureAwait(false);
        int maxUnanswered = Math.Max(1, MaxUnansweredBlocks / channels);
        foreach (DataConnection connection in connections)
        {
            running.Add(Task.Factory.StartNew(
                () => Run(connection, maxUnanswered), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default));
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        queue.Close();
        await stop.CancelAsync().ConfigureAwait(false);
        foreach (DataConnection connection in connections) connection.Dispose();
        await Task.WhenAll(running).ConfigureAwait(false);
        stop.Dispose();
    }

    private void Run(DataConnection connection, int maxUnanswered)
    {
        try
        {
            new DiskBlockSender(queue, disk, connection, maxUnanswered, compression, limit, counts).Run(stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Asked to end.
        }
        catch (MigrationException error)
        {
            failure.TrySetResult(error);
        }
        catch (Exception error)
        {
            failure.TrySetResult(new(MigrationErrorReason.SystemCallFailed, $"Blocks could not be sent: {error.Message}", null, error));
        }
    }
}
