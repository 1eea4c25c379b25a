using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using VmMigration.Engine;
using VmMigration.Engine.Hypervisors.Qemu;

namespace VmMigration.Performance;

/// <summary>Moves the guest by QEMU's own migration over loopback TCP, timed by QEMU's own events.</summary>
internal static class NativeMigration
{
    private static readonly TimeSpan limit = TimeSpan.FromMinutes(2);

    public static async Task<Measurement> RunAsync(MeasuredGuest guest, bool multifd, CancellationToken cancellationToken)
    {
        QemuInstancePaths peer = guest.NewPaths("peer");
        await guest.LaunchAsync(peer, incoming: true, cancellationToken);
        return await MigrateAsync(guest.Paths.QmpSocket, peer.QmpSocket, multifd, cancellationToken);
    }

    private static async Task<Measurement> MigrateAsync(string sourceSocket, string peerSocket, bool multifd, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(limit);
        await using QmpClient source = await QmpClient.ConnectAsync(sourceSocket, deadline.Token);
        await using QmpClient peer = await QmpClient.ConnectAsync(peerSocket, deadline.Token);
        foreach (QmpClient side in new[] { source, peer })
        {
            await side.ExecuteAsync("migrate-set-capabilities", new JsonObject
            {
                ["capabilities"] = new JsonArray(Capability("events", true), Capability("multifd", multifd)),
            }, deadline.Token);
            var parameters = new JsonObject { ["max-bandwidth"] = 10L << 30, ["downtime-limit"] = 300 };
            if (multifd) parameters["multifd-channels"] = 2;
            await side.ExecuteAsync("migrate-set-parameters", parameters, deadline.Token);
        }

        using QmpEventStream states = source.Subscribe("MIGRATION");
        using QmpEventStream stops = source.Subscribe("STOP");
        using QmpEventStream resumes = peer.Subscribe("RESUME");
        string uri = $"tcp:127.0.0.1:{FreePort()}";
        await peer.ExecuteAsync("migrate-incoming", new JsonObject { ["uri"] = uri }, deadline.Token);
        DateTimeOffset start = DateTimeOffset.UtcNow;
        await source.ExecuteAsync("migrate", new JsonObject { ["uri"] = uri }, deadline.Token);
        while (true)
        {
            string? state = (await states.ReadAsync(deadline.Token)).Text("status");
            if (state == "completed") break;
            if (state is "failed" or "cancelled") throw new MigrationException(MigrationErrorReason.HypervisorFailed, $"QEMU's migration {state}.");
        }

        DateTimeOffset stopped = (await stops.ReadAsync(deadline.Token)).Timestamp;
        DateTimeOffset resumed = (await resumes.ReadAsync(deadline.Token)).Timestamp;
        JsonElement info = await source.ExecuteAsync("query-migrate", deadline.Token);
        JsonElement memory = info.GetProperty("ram");
        return new(
            resumed - start, resumed - stopped, memory.GetProperty("transferred").GetInt64(), memory.GetProperty("dirty-sync-count").GetInt32(),
            string.Create(CultureInfo.InvariantCulture, $"QEMU says total {info.GetProperty("total-time")} ms, downtime {info.GetProperty("downtime")} ms"));
    }

    private static JsonObject Capability(string name, bool state) => new() { ["capability"] = name, ["state"] = state };

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
