using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using Xunit;

namespace VmMigration.Engine.Tests.Qemu;

/// <summary>What a save asks of a QEMU, played by the test.</summary>
public sealed class QemuStateMoverTests : IAsyncDisposable
{
    private readonly ScriptedQmpServer server = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task A_paused_guest_that_was_saved_before_is_paused_again_though_the_save_is_cancelled_while_it_runs()
    {
        await using QemuProcess process = await ConnectAsync();
        using var cancelling = CancellationTokenSource.CreateLinkedTokenSource(Token);
        Task preparing = SavedBefore(process).PrepareSaveAsync(StateContents.Devices, cancelling.Token);
        Assert.Contains("\"cont\"", await server.ReadAsync(Token), StringComparison.Ordinal);

        await cancelling.CancelAsync();
        await server.SendAsync("""{"event": "RESUME", "timestamp": {"seconds": 1700000000, "microseconds": 0}}""", Token);

        await AnswerStopAsync();
        await preparing;
    }

    [Fact]
    public async Task A_paused_guest_whose_resume_failed_is_paused_all_the_same()
    {
        await using QemuProcess process = await ConnectAsync();
        Task preparing = SavedBefore(process).PrepareSaveAsync(StateContents.Devices, Token);
        Assert.Contains("\"cont\"", await server.ReadAsync(Token), StringComparison.Ordinal);

        await server.SendAsync("""{"error": {"class": "GenericError", "desc": "The disk is locked"}, "id": "3"}""", Token);

        await AnswerStopAsync();
        var failure = await Assert.ThrowsAsync<MigrationException>(() => preparing);
        Assert.Contains("The disk is locked", failure.Message, StringComparison.Ordinal);
    }

    private static QemuStateMover SavedBefore(QemuProcess process) => new(
        process, new QemuVmDirectory(new VmInstance(), Path.GetTempPath()), new(VmState.Paused, "postmigrate"), ramObstacle: null);

    private async Task AnswerStopAsync()
    {
        Assert.Contains("\"stop\"", await server.ReadAsync(Token).WaitAsync(TimeSpan.FromSeconds(10), Token), StringComparison.Ordinal);
        await server.SendAsync("""{"return": {}, "id": "4"}""", Token);
    }

    private async Task<QemuProcess> ConnectAsync()
    {
        Task<QemuProcess> connecting = QemuProcess.ConnectAsync(server.SocketPath, Environment.ProcessId, Token);
        await server.AcceptAndNegotiateAsync(Token);
        Assert.Contains("query-name", await server.ReadAsync(Token), StringComparison.Ordinal);
        await server.SendAsync("""{"return": {}, "id": "2"}""", Token);
        return await connecting;
    }
}
