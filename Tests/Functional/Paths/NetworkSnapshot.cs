using System.Diagnostics;
using System.Text.Json;
using VmMigration.Engine.Native;
using VmMigration.Engine.Paths;
using Xunit;

namespace VmMigration.Functional.Tests.Paths;

/// <summary>What the kernel has in a network: devices, addresses, routes, rules and the ports of tunnels.</summary>
internal static class NetworkSnapshot
{
    private static readonly JsonSerializerOptions indented = new() { WriteIndented = true };

    public static async Task<string> TakeAsync(NetworkNamespace network, CancellationToken cancellationToken)
    {
        var inside = new PathNetwork(network);
        List<string> parts = [];
        foreach (string[] list in new[]
        {
            ["-j", "link"], ["-j", "address"], ["-j", "rule"], ["-j", "-4", "route", "show", "table", "all"],
            new[] { "-j", "-6", "route", "show", "table", "all" },
        })
        {
            parts.Add(Indent(await NetworkProgram.Ip.RunAsync(inside, list, "", "look at the lab", cancellationToken)));
        }

        parts.Add(Indent(await NetworkProgram.Nft.RunAsync(inside, ["-j", "list", "ruleset"], "", "look at the lab", cancellationToken)));
        parts.Add(network.Run(() => $"forwarding {File.ReadAllText("/proc/sys/net/ipv4/ip_forward")}"));
        parts.Add($"udp ports {string.Join(' ', SocketWatch.ReadPorts(network, "udp"))}");
        return string.Join('\n', parts);
    }

    /// <summary>Waits until a network is as it was; the kernel takes a moment to remove what nobody holds any more.</summary>
    public static async Task AssertReturnsAsync(string before, NetworkNamespace network, TimeSpan limit, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            string now = await TakeAsync(network, cancellationToken);
            if (now == before) return;
            if (Stopwatch.GetElapsedTime(start) > limit) Assert.Equal(before, now);
            await Task.Delay(100, cancellationToken);
        }
    }

    private static string Indent(string json) =>
        string.IsNullOrWhiteSpace(json) ? "[]" : JsonSerializer.Serialize(JsonDocument.Parse(json).RootElement, indented);
}
