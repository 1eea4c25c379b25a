using System.Text.Json.Nodes;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// A <c>blockdev-mirror</c> of a drive's topmost image to an NBD export, with <c>copy-mode=write-blocking</c>: once it is ready a write of the
/// guest ends when both sides have it, so that the pause of the switchover leaves nothing to copy.
/// </summary>
internal sealed class QemuDiskMirror : IVmDiskMirror
{
    private readonly QmpClient qmp;
    private readonly QemuBlockJob job;
    private readonly string target;

    private QemuDiskMirror(QmpClient qmp, QemuBlockJob job, string target)
    {
        this.qmp = qmp;
        this.job = job;
        this.target = target;
    }

    public Task Ready => job.Ready;

    public Task Ended => job.Ended;

    /// <summary>Starts a mirror.</summary>
    public static async Task<QemuDiskMirror> StartAsync(
        QmpClient qmp, string name, string nodeName, string socketPath, long maxBytesPerSecond)
    {
        string target = TargetOf(name);
        await qmp.ExecuteAsync("blockdev-add", Target(name, target, socketPath), CancellationToken.None).ConfigureAwait(false);
        try
        {
            var arguments = new JsonObject
            {
                ["device"] = nodeName,
                ["target"] = target,
                ["sync"] = "top",
                ["copy-mode"] = "write-blocking",
                ["speed"] = maxBytesPerSecond,

                // An error of the target ends the mirror; one of the source goes to the guest as without it.
                ["on-target-error"] = "report",
                ["on-source-error"] = "report",
            };
            QemuBlockJob job = await QemuBlockJob.StartAsync(
                qmp, "blockdev-mirror", IdOf(name), arguments, $"mirror of {name}").ConfigureAwait(false);
            return new(qmp, job, target);
        }
        catch
        {
            await QemuDisks.TryRemoveNodeAsync(qmp, target).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Ends the mirror that an engine before this one left; does nothing where there is none.</summary>
    public static async Task EndLeftoverAsync(QmpClient qmp, string name, CancellationToken cancellationToken)
    {
        await QemuBlockJob.EndLeftoverAsync(qmp, IdOf(name), cancellationToken).ConfigureAwait(false);
        await QemuDisks.TryRemoveNodeAsync(qmp, TargetOf(name)).ConfigureAwait(false);
    }

    public Task<(long DoneBytes, long TotalBytes)> ReadProgressAsync(CancellationToken cancellationToken) =>
        job.ReadProgressAsync(cancellationToken);

    /// <remarks>
    /// A ready mirror that is cancelled without force ends with its target flushed, a copy of that moment, and does not put it in the place of
    /// the drive's own image (live-block-operations.rst, 'Live disk synchronization').
    /// </remarks>
    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        if (job.Ended.IsCompleted)
        {
            await job.Ended.ConfigureAwait(false);
            throw new MigrationException(MigrationErrorReason.InvalidState, "A mirror that has ended cannot be completed.");
        }

        await job.Ready.ConfigureAwait(false);
        await job.FinishAsync(pivot: false, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await job.DisposeAsync().ConfigureAwait(false);
        await QemuDisks.TryRemoveNodeAsync(qmp, target).ConfigureAwait(false);
    }

    private static string IdOf(string name) => $"vm-migration-mirror-{name}";

    private static string TargetOf(string name) => $"vm-migration-{name}";

    private static JsonObject Target(string name, string nodeName, string socketPath) => new()
    {
        ["driver"] = "nbd",
        ["node-name"] = nodeName,
        ["server"] = new JsonObject { ["type"] = "unix", ["path"] = socketPath },
        ["export"] = name,
    };
}
