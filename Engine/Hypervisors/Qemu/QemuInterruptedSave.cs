using System.Text.Json;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// A save that an engine had begun that was killed then. QEMU waits in it for ever, and refuses to be set up for another. It cannot have been
/// committed: QEMU has completed a save before it closes its stream, and nothing is granted before the end of that was seen.
/// </summary>
internal static class QemuInterruptedSave
{
    private static readonly TimeSpan limit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan interval = TimeSpan.FromMilliseconds(5);

    /// <summary>Cancels such a save and waits for its end; a VM that ran when it began runs on. Does nothing where there is none.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.HypervisorFailed"/> where it does not end.</exception>
    public static async Task EndAsync(QmpClient qmp, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(limit);
        try
        {
            while (await ReadStateUnderWayAsync(qmp, deadline.Token).ConfigureAwait(false) is { } state)
            {
                if (state == "cancelling") await QemuStateSave.WakeCancelledAsync(qmp, deadline.Token).ConfigureAwait(false);
                else await qmp.ExecuteAsync("migrate_cancel", deadline.Token).ConfigureAwait(false);
                await Task.Delay(interval, deadline.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new MigrationException(
                MigrationErrorReason.HypervisorFailed,
                $"QEMU did not end a save in {limit.TotalSeconds:0} s that an engine had begun and not ended.",
                "Look at the storage of the VM's disks, which QEMU may be waiting for, and open the host again.", error);
        }
    }

    /// <summary>The state of a migration that has not ended (query-migrate, MigrationStatus of QEMU's qapi/migration.json); else null.</summary>
    private static async Task<string?> ReadStateUnderWayAsync(QmpClient qmp, CancellationToken cancellationToken)
    {
        JsonElement migration = await qmp.ExecuteAsync("query-migrate", cancellationToken).ConfigureAwait(false);
        if (!migration.TryGetProperty("status", out JsonElement status)) return null;
        return status.GetString() is { } state and not ("none" or "completed" or "failed" or "cancelled") ? state : null;
    }
}
