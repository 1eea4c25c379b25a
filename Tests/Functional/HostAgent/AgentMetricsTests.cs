using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Functional.Tests.HostAgent;

/// <summary>What a scraper reads from a real agent.</summary>
public sealed class AgentMetricsTests : IAsyncLifetime
{
    private AgentLab lab = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => lab = await AgentLab.CreateAsync();

    public ValueTask DisposeAsync() => lab.DisposeAsync();

    [Fact]
    public async Task A_migration_shows_in_the_metrics_of_its_source()
    {
        AgentProcess source = await lab.StartAsync(new() { Name = "source", Configure = SwitchOn }, Cancel);
        AgentProcess destination = await lab.StartAsync(new() { Name = "destination" }, Cancel);
        await using RemoteHost from = await source.ConnectAsync(Cancel), to = await destination.ConnectAsync(Cancel);
        Assert.Equal(0, await ReadAsync(source, "vm_migration_active{"));

        MigrationResult result = await MigrateAsync(from, to);

        Assert.Equal(1, await ReadAsync(source, "vm_migration_migrations_total{", "outcome=\"completed\""));
        Assert.Equal(result.BytesSent, await ReadAsync(source, "vm_migration_sent_bytes_total{"));
        Assert.Equal(result.Downtime.TotalSeconds, await ReadAsync(source, "vm_migration_downtime_seconds_sum{"), 6);
        Assert.Equal(1, await ReadAsync(source, "vm_migration_downtime_seconds_count{"));
        Assert.Equal(result.Passes, await ReadAsync(source, "vm_migration_passes_sum{"));
        Assert.Equal(0, await ReadAsync(source, "vm_migration_active{"));
        Assert.Equal(0, await ReadAsync(source, "vm_migration_throughput_bytes_per_second{"));
        Assert.Equal(0, await ReadAsync(source, "vm_migration_dirty_rate_bytes_per_second{"));
    }

    [Fact]
    public async Task Metrics_are_off_unless_they_are_asked_for()
    {
        AgentProcess agent = await lab.StartAsync(new() { Name = "quiet" }, Cancel);

        Assert.Null(agent.MetricsUri);
    }

    [Fact]
    public async Task Nothing_but_metrics_can_be_reached_where_metrics_are()
    {
        AgentProcess agent = await lab.StartAsync(new() { Name = "talkative", Configure = SwitchOn }, Cancel);
        using var client = new HttpClient();

        using HttpResponseMessage page = await client.GetAsync(agent.MetricsUri!, Cancel);
        using HttpResponseMessage control = await client.PostAsync(
            new Uri(agent.MetricsUri!, "/grpc.health.v1.Health/Check"), new ByteArrayContent([0, 0, 0, 0, 0]), Cancel);

        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.Equal("127.0.0.1", agent.MetricsUri!.Host);
        Assert.Equal(HttpStatusCode.NotFound, control.StatusCode);
    }

    private static void SwitchOn(JsonObject configuration) =>
        configuration["metrics"] = new JsonObject { ["enabled"] = true, ["listen"] = "http://127.0.0.1:0" };

    private static async Task<MigrationResult> MigrateAsync(RemoteHost from, RemoteHost to)
    {
        var vm = new VmSpecification
        {
            Name = "measured", MemoryBytes = 8 << 20, Embedded = new EmbeddedGuest { Program = GuestProgramKind.Idle },
        };
        await from.CreateVmAsync(vm, Cancel);
        await from.StartVmAsync(vm.Id, Cancel);
        MigrationStatus status = await MigrationBroker.StartAsync(from, vm.Id, to, new(), Cancel);
        await foreach (MigrationStatus next in from.WatchMigrationAsync(status.Id, Cancel)) status = next;
        Assert.Equal(MigrationState.Completed, status.State);
        return status.Result!;
    }

    /// <summary>The value of the one line that begins so and holds all the marks.</summary>
    private static async Task<double> ReadAsync(AgentProcess agent, string start, params string[] marks)
    {
        using var client = new HttpClient();
        string page = await client.GetStringAsync(agent.MetricsUri!, Cancel);
        string[] lines = [.. page.Split('\n').Where(line => line.StartsWith(start, StringComparison.Ordinal)
            && marks.All(mark => line.Contains(mark, StringComparison.Ordinal)))];
        Assert.True(lines.Length == 1, $"{start} has {lines.Length} lines in:\n{page}");
        return double.Parse(lines[0][(lines[0].IndexOf('}', StringComparison.Ordinal) + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0],
            CultureInfo.InvariantCulture);
    }
}
