using System.Text.Json.Nodes;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>QEMU's own NBD server, with the disks of an incoming VM as writable exports (docs/interop/nbd.txt).</summary>
internal sealed class QemuDiskExport : IAsyncDisposable
{
    private readonly QmpClient qmp;
    private readonly string socketPath;
    private bool stopped;

    private QemuDiskExport(QmpClient qmp, string socketPath)
    {
        this.qmp = qmp;
        this.socketPath = socketPath;
    }

    /// <summary>Starts the server with one export per disk.</summary>
    public static async Task<QemuDiskExport> StartAsync(
        QmpClient qmp, IReadOnlyList<(string Name, string NodeName)> exports, string socketPath)
    {
        var address = new JsonObject { ["type"] = "unix", ["data"] = new JsonObject { ["path"] = socketPath } };
        await qmp.ExecuteAsync("nbd-server-start", new JsonObject { ["addr"] = address }, CancellationToken.None).ConfigureAwait(false);
        var server = new QemuDiskExport(qmp, socketPath);
        try
        {
            foreach ((string name, string nodeName) in exports)
            {
                var export = new JsonObject
                {
                    ["type"] = "nbd", ["id"] = $"vm-migration-{name}", ["node-name"] = nodeName, ["name"] = name, ["writable"] = true,
                };
                await qmp.ExecuteAsync("block-export-add", export, CancellationToken.None).ConfigureAwait(false);
            }

            return server;
        }
        catch
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Stops the server that an engine before this one left; does nothing where none runs.</summary>
    public static async Task EndLeftoverAsync(QmpClient qmp, CancellationToken cancellationToken)
    {
        System.Text.Json.JsonElement exports = await qmp.ExecuteAsync("query-block-exports", cancellationToken).ConfigureAwait(false);
        bool own = exports.EnumerateArray().Any(
            export => export.GetProperty("id").GetString()!.StartsWith("vm-migration-", StringComparison.Ordinal));
        if (own) await qmp.ExecuteAsync("nbd-server-stop", cancellationToken).ConfigureAwait(false);
    }

    /// <remarks>Ends clients and exports with the server; its requests are done when QEMU answers.</remarks>
    public async ValueTask DisposeAsync()
    {
        if (stopped) return;
        stopped = true;
        try
        {
            await qmp.ExecuteAsync("nbd-server-stop", CancellationToken.None).ConfigureAwait(false);
        }
        catch (MigrationException error) when (error.Reason == MigrationErrorReason.VmExited)
        {
            // It went with its QEMU.
        }

        File.Delete(socketPath);
    }
}
