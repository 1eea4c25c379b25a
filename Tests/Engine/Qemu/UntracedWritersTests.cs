using System.Text.Json;
using VmMigration.Engine.Hypervisors.Qemu;
using Xunit;

namespace VmMigration.Engine.Tests.Qemu;

/// <summary>Devices that no test machine has, by the answers of a QEMU that has them.</summary>
public sealed class UntracedWritersTests : IAsyncDisposable
{
    private const string Disk = """{"node-name": "disk0", "drv": "raw", "cache": {"direct": false, "writeback": true, "no-flush": false}}""";
    private const string Network = """virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci\r\n \\ net0: index=0,type=user,net=10.0.2.0""";

    private readonly ScriptedQmpServer server = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task Devices_that_write_through_the_process_are_traced() =>
        Assert.Null(await FindAsync(Disk, """{"name": "type", "type": "string"}, {"name": "nic", "type": "child<virtio-net-pci>"}""", Network));

    [Theory]
    [InlineData("disk0", """{"node-name": "disk0", "drv": "file", "cache": {"direct": true, "writeback": true, "no-flush": false}}""")]
    [InlineData("flash", """{"node-name": "flash", "drv": "nvme", "cache": {"direct": false, "writeback": true, "no-flush": false}}""")]
    public async Task Block_nodes_that_write_past_the_trace_are_named(string name, string node) =>
        AssertNames(await FindAsync($"{Disk}, {node}", "", Network), $"'{name}'");

    [Theory]
    [InlineData("vfio-pci")]
    [InlineData("vhost-user-fs-pci")]
    [InlineData("vhost-vdpa-device-pci")]
    [InlineData("vhost-scsi-pci")]
    [InlineData("scsi-block")]
    public async Task Devices_that_write_past_the_trace_are_named(string type) =>
        AssertNames(await FindAsync(Disk, $$"""{"name": "device[3]", "type": "child<{{type}}>"}""", Network), $"{type} 'device[3]'");

    [Theory]
    [InlineData("vhost-user")]
    [InlineData("vhost-vdpa")]
    public async Task Network_back_ends_that_write_past_the_trace_are_named(string type) =>
        AssertNames(await FindAsync(Disk, "", $@"{Network}\r\nnic1: index=0,type=nic\r\n \\ net1: index=0,type={type},queues=1\r\n"), "'net1'");

    private static void AssertNames(string? found, string name)
    {
        Assert.NotNull(found);
        Assert.Contains(name, found, StringComparison.Ordinal);
    }

    /// <param name="nodes">Elements of the list of block nodes.</param>
    /// <param name="devices">Elements of the list of devices without an id.</param>
    /// <param name="network">What <c>info network</c> prints, as it stands in JSON.</param>
    private async Task<string?> FindAsync(string nodes, string devices, string network)
    {
        Task<QmpClient> connecting = QmpClient.ConnectAsync(server.SocketPath, Token);
        await server.AcceptAndNegotiateAsync(Token);
        await using QmpClient client = await connecting;
        Task<string?> finding = UntracedWriters.FindAsync(client, Token);
        Task answering = AnswerAsync(nodes, devices, network);
        string? found = await finding;
        server.CloseConnection();
        await Assert.ThrowsAnyAsync<Exception>(() => answering);
        return found;
    }

    private async Task AnswerAsync(string nodes, string devices, string network)
    {
        while (true)
        {
            using JsonDocument command = JsonDocument.Parse(await server.ReadAsync(Token));
            string text = command.RootElement.GetRawText();
            string answer = command.RootElement.GetProperty("execute").GetString() switch
            {
                "query-named-block-nodes" => $"[{nodes}]",
                "qom-list" when text.Contains("peripheral-anon", StringComparison.Ordinal) => $"[{devices}]",
                "qom-list" => """[{"name": "type", "type": "string"}]""",
                "human-monitor-command" => $"\"{network}\"",
                _ => throw new InvalidOperationException(text),
            };
            await server.SendAsync($$"""{"return": {{answer}}, "id": {{command.RootElement.GetProperty("id").GetRawText()}}}""", Token);
        }
    }
}
