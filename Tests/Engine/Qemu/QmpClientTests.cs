using System.Text.Json;
using System.Text.Json.Nodes;
using VmMigration.Engine.Hypervisors.Qemu;
using Xunit;

namespace VmMigration.Engine.Tests.Qemu;

public sealed class QmpClientTests : IAsyncDisposable
{
    private readonly ScriptedQmpServer server = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Answers_find_their_commands_in_whatever_order_they_come()
    {
        await using QmpClient client = await ConnectAsync();
        Task<JsonElement> first = client.ExecuteAsync("query-status", Token);
        await server.ReadAsync(Token);
        Task<JsonElement> second = client.ExecuteAsync("query-name", new JsonObject { ["a"] = 1 }, Token);
        Assert.Equal(
            """{"execute":"query-name","id":"3","arguments":{"a":1}}""", await server.ReadAsync(Token));

        await server.SendAsync("""{"return": {"name": "web"}, "id": "3"}""", Token);
        await server.SendAsync("""{"return": {"status": "paused"}, "id": "2"}""", Token);

        Assert.Equal("web", (await second).GetProperty("name").GetString());
        Assert.Equal("paused", (await first).GetProperty("status").GetString());
    }

    [Fact]
    public async Task An_error_carries_the_command_and_qemus_words()
    {
        await using QmpClient client = await ConnectAsync();
        Task<JsonElement> command = client.ExecuteAsync("cont", Token);
        await server.ReadAsync(Token);
        await server.SendAsync(
            """{"error": {"class": "GenericError", "desc": "Resetting the Virtual Machine is required"}, "id": "2"}""", Token);

        var failure = await Assert.ThrowsAsync<MigrationException>(() => command);

        Assert.Equal(MigrationErrorReason.HypervisorFailed, failure.Reason);
        Assert.Contains("'cont'", failure.Message, StringComparison.Ordinal);
        Assert.Contains("Resetting the Virtual Machine is required", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Events_arrive_in_order_with_qemus_time_and_only_at_their_subscribers()
    {
        await using QmpClient client = await ConnectAsync();
        using QmpEventStream migration = client.Subscribe("MIGRATION");
        using QmpEventStream stop = client.Subscribe("STOP");

        string[] events =
        [
            """ "MIGRATION", "data": {"status": "setup"} """, """ "STOP" """, """ "MIGRATION", "data": {"status": "active"} """,
        ];
        for (int index = 0; index < events.Length; index++)
        {
            string timestamp = $"{{\"seconds\": 1700000000, \"microseconds\": {250000 + index}}}";
            await server.SendAsync($"{{\"timestamp\": {timestamp}, \"event\": {events[index]}}}", Token);
        }

        QmpEvent first = await migration.ReadAsync(Token);
        QmpEvent second = await migration.ReadAsync(Token);
        Assert.Equal(("setup", "active"), (first.Text("status"), second.Text("status")));
        Assert.Equal(DateTimeOffset.FromUnixTimeMilliseconds(1700000000250), first.Timestamp);
        Assert.Equal(TimeSpan.FromMicroseconds(2), second.Timestamp - first.Timestamp);
        Assert.Null((await stop.ReadAsync(Token)).Text("status"));
    }

    [Fact]
    public async Task A_message_cut_anywhere_is_put_together()
    {
        await using QmpClient client = await ConnectAsync();
        Task<JsonElement> command = client.ExecuteAsync("query-status", Token);
        await server.ReadAsync(Token);
        foreach (char part in """{"return": {"status": "running"}, "id": "2"}""") await server.SendPartAsync(part.ToString(), Token);
        await server.SendAsync("", Token);

        Assert.Equal("running", (await command).GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_closed_connection_ends_every_wait()
    {
        await using QmpClient client = await ConnectAsync();
        using QmpEventStream events = client.Subscribe("MIGRATION");
        Task<JsonElement> command = client.ExecuteAsync("query-status", Token);
        Task<QmpEvent> waiting = events.ReadAsync(Token);
        await server.ReadAsync(Token);

        server.CloseConnection();

        Assert.Equal(MigrationErrorReason.VmExited, (await Assert.ThrowsAsync<MigrationException>(() => command)).Reason);
        Assert.Equal(MigrationErrorReason.VmExited, (await Assert.ThrowsAsync<MigrationException>(() => waiting)).Reason);
        Assert.Equal(
            MigrationErrorReason.VmExited, (await Assert.ThrowsAsync<MigrationException>(() => client.ExecuteAsync("stop", Token))).Reason);
        using QmpEventStream late = client.Subscribe("MIGRATION");
        Assert.Equal(MigrationErrorReason.VmExited, (await Assert.ThrowsAsync<MigrationException>(() => late.ReadAsync(Token))).Reason);
    }

    [Fact]
    public async Task A_cancelled_wait_leaves_the_connection_usable()
    {
        await using QmpClient client = await ConnectAsync();
        using var cancellation = new CancellationTokenSource();
        Task<JsonElement> abandoned = client.ExecuteAsync("query-status", cancellation.Token);
        await server.ReadAsync(Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => abandoned);

        Task<JsonElement> next = client.ExecuteAsync("query-name", Token);
        await server.ReadAsync(Token);
        await server.SendAsync("""{"return": {"status": "late"}, "id": "2"}""", Token);
        await server.SendAsync("""{"return": {"name": "web"}, "id": "3"}""", Token);

        Assert.Equal("web", (await next).GetProperty("name").GetString());
    }

    [Fact]
    public async Task Something_that_is_no_qmp_server_is_refused()
    {
        Task<QmpClient> connecting = QmpClient.ConnectAsync(server.SocketPath, Token);
        await server.AcceptAsync("""{"hello": 1}""", Token);

        Assert.Equal(MigrationErrorReason.HypervisorFailed, (await Assert.ThrowsAsync<MigrationException>(() => connecting)).Reason);
    }

    [Theory]
    [InlineData("[1,2]")]
    [InlineData("no json")]
    [InlineData("{\"event\": \"STOP\"}")]
    [InlineData("{\"id\": \"2\"}")]
    public async Task Garbage_ends_the_connection_with_a_reason(string line)
    {
        await using QmpClient client = await ConnectAsync();
        Task<JsonElement> command = client.ExecuteAsync("query-status", Token);
        await server.ReadAsync(Token);

        await server.SendAsync(line, Token);

        Assert.Equal(MigrationErrorReason.HypervisorFailed, (await Assert.ThrowsAsync<MigrationException>(() => command)).Reason);
    }

    [Fact]
    public async Task A_socket_nobody_listens_at_says_so()
    {
        var failure = await Assert.ThrowsAsync<MigrationException>(() => QmpClient.ConnectAsync("/nonexistent/qmp.sock", Token));

        Assert.Equal(MigrationErrorReason.VmExited, failure.Reason);
        Assert.Contains("/nonexistent/qmp.sock", failure.Message, StringComparison.Ordinal);
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private async Task<QmpClient> ConnectAsync()
    {
        Task<QmpClient> connecting = QmpClient.ConnectAsync(server.SocketPath, Token);
        await server.AcceptAndNegotiateAsync(Token);
        return await connecting;
    }
}
