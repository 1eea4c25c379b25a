using System.Globalization;
using System.Text.Json;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using VmMigration.Engine.Tests.Memory;
using Xunit;

namespace VmMigration.Engine.Tests.Qemu;

/// <summary>A test that plays QEMU: its monitor by a script, its RAM by a mapping in this process.</summary>
public sealed class QemuPoisonTests : IAsyncDisposable
{
    private const long Pages = 64;

    private readonly RamFile ram = new(Pages);
    private readonly ScriptedQmpServer server = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await server.DisposeAsync();
        ram.Dispose();
    }

    [Fact]
    public async Task A_page_found_after_a_MEMORY_FAILURE_event_was_meant_by_it_and_one_found_without_was_not()
    {
        await using QemuProcess process = await ConnectAsync();
        using var poison = new QemuPoison(process, Describe(MemoryBacking.BasePages), KernelFeatures.Probe());
        Mark(3);
        Task<IReadOnlyList<PoisonedPage>> finding = poison.FindAsync(Cancel);
        await AnswerAsync("\"/objects/ram\"");
        await AnswerAsync(JsonSerializer.Serialize(
            "FlatView #0\r\n AS \"memory\", root: system\r\n"
            + "  0000000000000000-0000000000001fff (prio 0, ram): ram\r\n"
            + "  0000000100000000-000000010003dfff (prio 0, ram): ram @0000000000002000\r\n"));
        PoisonedPage first = Assert.Single(await finding);
        Assert.Equal((3L, PoisonSource.Kernel, 0x1_0000_1000L), (first.Page, first.Source, first.GuestPhysicalAddress!.Value));

        await server.SendAsync(
            """{"event": "MEMORY_FAILURE", "data": {"recipient": "hypervisor", "action": "fatal","""
            + """ "flags": {"action-required": false, "recursive": false}},"""
            + """ "timestamp": {"seconds": 1700000000, "microseconds": 5}}""",
            Cancel);
        Mark(1);

        // The answer to a command comes behind the event.
        Task<JsonElement> asking = process.Qmp.ExecuteAsync("query-name", Cancel);
        await AnswerAsync("{}");
        await asking;
        IReadOnlyList<PoisonedPage> both = await poison.FindAsync(Cancel);

        Assert.Equal([1, 3], both.Select(page => page.Page));
        Assert.Equal((PoisonSource.MemoryFailureEvent, 0x1000L), (both[0].Source, both[0].GuestPhysicalAddress!.Value));
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(1700000000).AddMicroseconds(5), both[0].Since);
        Assert.Equal(PoisonSource.Kernel, both[1].Source);
        Assert.Contains("0x1000, 0x100001000", poison.ExplainCrash(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_nothing_is_poisoned_QEMU_is_asked_nothing_and_no_crash_is_explained()
    {
        await using QemuProcess process = await ConnectAsync();
        using var poison = new QemuPoison(process, Describe(MemoryBacking.BasePages), KernelFeatures.Probe());
        Assert.Empty(await poison.FindAsync(Cancel));
        Assert.Null(poison.ExplainCrash());
    }

    [Fact]
    public async Task What_is_missing_decides_between_mark_protection_and_refusal()
    {
        await using QemuProcess process = await ConnectAsync();
        KernelFeatures all = KernelFeatures.Probe();
        AssertWays(process, MemoryBacking.BasePages, all, refused: null, fallback: null);
        AssertWays(process, MemoryBacking.BasePages, all with { Poison = false }, refused: null, fallback: "UFFDIO_POISON");
        AssertWays(process, MemoryBacking.TransparentHugePages, all with { Userfaultfd = false }, refused: null, fallback: "userfaultfd");
        AssertWays(process, MemoryBacking.BasePages, all with { Ptrace = false }, refused: "trace processes", fallback: null);
        AssertWays(process, MemoryBacking.HugeTlb, all, refused: "2 MiB", fallback: null);
    }

    private void AssertWays(QemuProcess process, MemoryBacking backing, KernelFeatures features, string? refused, string? fallback)
    {
        using var poison = new QemuPoison(process, Describe(backing), features);
        AssertSays(refused, poison.Refused);
        AssertSays(fallback, poison.Fallback);
    }

    private static void AssertSays(string? expected, string? actual)
    {
        if (expected is null) Assert.Null(actual);
        else Assert.Contains(expected, actual, StringComparison.Ordinal);
    }

    private async Task<QemuProcess> ConnectAsync()
    {
        Task<QemuProcess> connecting = QemuProcess.ConnectAsync(server.SocketPath, Environment.ProcessId, Cancel);
        await server.AcceptAndNegotiateAsync(Cancel);
        await AnswerAsync("{}");
        return await connecting;
    }

    private QemuRam Describe(MemoryBacking backing) => new(ram.Engine, ram.Address, "", null, null, backing);

    private void Mark(long page)
    {
        using var userfaultfd = Userfaultfd.Create(UserfaultfdFeatures.Poison | UserfaultfdFeatures.WriteProtectShmem);
        ulong address = ram.Address + (ulong)(page * GuestMemory.PageSizeBytes);
        userfaultfd.Register(address, GuestMemory.PageSizeBytes, UserfaultfdModes.WriteProtect);
        Assert.Equal(UserfaultfdOutcome.Done, userfaultfd.Poison(address, GuestMemory.PageSizeBytes, out _));
    }

    /// <summary>Answers the next command, whatever it is, under its own id.</summary>
    private async Task AnswerAsync(string value)
    {
        using JsonDocument command = JsonDocument.Parse(await server.ReadAsync(Cancel));
        string id = command.RootElement.GetProperty("id").GetRawText();
        await server.SendAsync(string.Create(CultureInfo.InvariantCulture, $$"""{"return": {{value}}, "id": {{id}}}"""), Cancel);
    }
}
