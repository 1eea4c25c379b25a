using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using VmMigration.Cmdlets.Tests.Hosting;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors.Qemu;

namespace VmMigration.Cmdlets.Tests;

public sealed class RunnerTests
{
    private static readonly JsonSerializerOptions Options = new() { Converters = { new JsonStringEnumConverter() } };

    private static CancellationToken TestCancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_embedded_example_runs_shows_a_table_and_writes_the_result_record()
    {
        using var json = new TemporaryFile("", ".json");
        using var runner = new RunnerProcess(
            "run", Path.Combine(BuildOutput.ExamplesDirectory, "live-migration.yaml"), "--json", json.Path, "--parameter", "memory=64MiB");
        int exitCode = await runner.WaitForExitAsync(TestCancelled);
        Assert.True(exitCode == 0, runner.Output);
        Assert.Matches(@"MemoryVerified\s+│\s+true", runner.Output);
        Assert.Matches(@"Downtime\s+│\s+[\d.]+ m?s", runner.Output);

        JsonNode result = JsonNode.Parse(await File.ReadAllTextAsync(json.Path, TestCancelled))!;
        VmMigrationResult record = result.Deserialize<VmMigrationResult>(Options)!;
        Assert.True(record.MemoryVerified);
        Assert.InRange(record.Downtime, TimeSpan.FromTicks(1), record.TotalTime);
        Assert.InRange(record.BytesSent, 1, long.MaxValue);
        Assert.True(record.PagesData + record.PagesZero >= 64L * 256, $"{record.PagesData} + {record.PagesZero}");
        Assert.Equal(record.Passes, record.PassDetails.Count);
        Assert.Equal(("kvm01", "kvm02"), ((string?)result["Migration"]!["SourceHostName"], (string?)result["Migration"]!["DestinationHostName"]));
        Assert.Equal(("Succeeded", "kvm02"), ((string?)result["Run"]!["Status"], (string?)result["Run"]!["Outputs"]!["host"]));
        Assert.Null(result["Migrations"]);
    }

    [Fact]
    public async Task The_poisoned_host_example_moves_the_VM_with_the_poisoned_page_and_leaves_the_sound_one()
    {
        JsonNode result = await RunExampleAsync("poisoned-host.yaml", "--parameter", "memory=64MiB");
        VmMigrationResult record = result.Deserialize<VmMigrationResult>(Options)!;
        Assert.True(record.MemoryVerified);
        Assert.Equal(0x3000000, Assert.Single(record.PoisonedPages).GuestPhysicalAddress);
        Assert.Null(result["Migrations"]);
        JsonNode outputs = result["Run"]!["Outputs"]!;
        Assert.Equal(("web01", 0x3000000L, "Carried"), ((string?)outputs["moved"], (long)outputs["carried"]!, (string?)outputs["foundBy"]));
        Assert.Null(outputs["left"]);
    }

    [Fact]
    public async Task The_postcopy_example_ends_a_migration_that_passes_alone_would_not()
    {
        JsonNode result = await RunExampleAsync("postcopy.yaml", "--parameter", "memory=32MiB", "--parameter", "bandwidth=32MiB");
        VmMigrationResult record = result.Deserialize<VmMigrationResult>(Options)!;
        Assert.True(record.MemoryVerified);
        PostcopySummary postcopy = record.Postcopy!;
        Assert.InRange(postcopy.Pages, 1, 32L * 256);
        Assert.InRange(postcopy.Duration, TimeSpan.FromTicks(1), TimeSpan.FromMinutes(1));
        JsonNode outputs = result["Run"]!["Outputs"]!;
        Assert.Equal(
            ("kvm02", "Running", postcopy.Pages),
            ((string?)outputs["host"], (string?)outputs["state"], (long)outputs["pagesMissingAtResume"]!));
    }

    [Fact]
    public async Task The_disk_example_resumes_what_it_interrupted_and_sends_only_the_rest()
    {
        JsonNode result = await RunExampleAsync(
            "disk-transfer-resume.yaml", "--parameter", "size=64MiB", "--parameter", "bandwidth=16MiB");
        JsonNode outputs = result["Run"]!["Outputs"]!;
        Assert.Equal(("Continued", "Completed", true), ((string?)outputs["begun"], (string?)outputs["state"], (bool)outputs["identical"]!));
        long interruptedAt = (long)outputs["interruptedAtBytes"]!;
        Assert.InRange(interruptedAt, 1, (64 << 20) - 1);
        Assert.Equal(interruptedAt, (long)outputs["resumedAtBytes"]!);
        Assert.InRange((long)outputs["dataBytes"]!, 0, (64 << 20) - interruptedAt + (16 << 20));
        Assert.Null(outputs["fragmentsLeft"]);
    }

    [Fact]
    public async Task The_example_with_disks_moves_a_running_guest_and_its_disk()
    {
        string? obstacle = new QemuDemoGuest().FindObstacle() ?? await FindQemuObstacleAsync();
        Assert.SkipWhen(obstacle is not null, obstacle ?? "");
        JsonNode result = await RunExampleAsync(
            "migrate-with-disks.yaml", "--parameter", "memory=384MiB", "--parameter", "disk=64MiB");
        Assert.True((bool)result["MemoryVerified"]!);
        JsonNode outputs = result["Run"]!["Outputs"]!;
        Assert.Equal("kvm02", (string?)outputs["host"]);
        Assert.EndsWith("/demo.raw", (string?)outputs["diskIsAt"], StringComparison.Ordinal);
        // Half of the disk is holes.
        Assert.InRange((long)outputs["diskBytesSent"]!, 32 << 20, 33 << 20);
    }

    [Fact]
    public async Task The_Linux_example_moves_a_running_guest_whose_console_goes_on_at_the_destination()
    {
        string? obstacle = new QemuDemoGuest().FindObstacle() ?? await FindQemuObstacleAsync();
        Assert.SkipWhen(obstacle is not null, obstacle ?? "");
        using var json = new TemporaryFile("", ".json");
        using var runner = new RunnerProcess(
            "run", Path.Combine(BuildOutput.ExamplesDirectory, "live-migration-linux.yaml"), "--json", json.Path, "--parameter", "memory=384MiB",
            "--parameter", "fill=96MiB", "--parameter", "rewrite=16MiB");
        int exitCode = await runner.WaitForExitAsync(TestCancelled);
        Assert.True(exitCode == 0, runner.Output);
        JsonNode result = JsonNode.Parse(await File.ReadAllTextAsync(json.Path, TestCancelled))!;
        Assert.True((bool)result["MemoryVerified"]!);
        Assert.InRange((long)result["PagesData"]!, 96L * 256, long.MaxValue);
        JsonNode outputs = result["Run"]!["Outputs"]!;
        Assert.Equal("kvm02", (string?)outputs["host"]);
        Assert.InRange(TickOf(outputs["consoleAfter"]), TickOf(outputs["consoleBefore"]) + 1, int.MaxValue);

        static int TickOf(JsonNode? line) => int.Parse(((string?)line)!.Split(' ')[1], CultureInfo.InvariantCulture);
    }

    [Fact]
    public async Task Ctrl_C_rolls_back_runs_always_and_exits_with_130()
    {
        using TemporaryFile runbook = RunbookText.Migration("x", "MaxBytesPerSecond: 1MiB", """
              - { id: look, run: Get-VmMigration }
              - { id: rolledBack, run: Get-MigrationVm, if: '${{ steps.look.output.State == ''RolledBack'' }}' }
            """);
        using var json = new TemporaryFile("", ".json");
        using var runner = new RunnerProcess("run", runbook.Path, "--json", json.Path);
        await runner.WaitForAsync("migrate: Migrating", TestCancelled);
        runner.Interrupt();
        int exitCode = await runner.WaitForExitAsync(TestCancelled);
        Assert.True(exitCode == 130, runner.Output);
        JsonNode run = JsonNode.Parse(await File.ReadAllTextAsync(json.Path, TestCancelled))!["Run"]!;
        Assert.Equal("Cancelled", (string?)run["Status"]);
        Assert.Equal(
            ["hosts:Succeeded", "vm:Succeeded", "start:Succeeded", "migrate:Cancelled", "moved:NotRun", "look:Succeeded", "rolledBack:Succeeded",
                "close:Succeeded"],
            run["Steps"]!.AsArray().Select(step => $"{step!["Id"]}:{step["Status"]}"));
    }

    [Fact]
    public async Task A_failed_step_exits_with_1_and_says_what_to_do()
    {
        using TemporaryFile runbook = RunbookText.Frame("steps: [{ id: a, run: Start-MigrationVm, with: { Name: none } }]");
        using var runner = new RunnerProcess("run", runbook.Path, "--quiet");
        Assert.Equal(1, await runner.WaitForExitAsync(TestCancelled));
        Assert.Contains("Step 'a' failed:", runner.Output, StringComparison.Ordinal);
        Assert.Contains("[VmNotFound]", runner.Output, StringComparison.Ordinal);
        Assert.Contains("Get-MigrationVm", runner.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("started", runner.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whatever_is_invalid_exits_with_2_and_runs_nothing()
    {
        using TemporaryFile bad = RunbookText.Frame("steps: [{ id: a, run: Get-MigrationVm, wiht: {} }]");
        using TemporaryFile good = RunbookText.Frame("parameters: { n: { type: int, min: 1 } }\nsteps: [{ id: a, run: Get-MigrationVm }]");
        string nowhere = Path.Combine(good.Path, "result.json");
        foreach ((string expected, string[] arguments) in new (string, string[])[]
        {
            ("(4,40): UnknownKey", ["run", bad.Path]),
            ("(4,40): UnknownKey", ["validate", bad.Path]),
            ("(4,15): MissingParameter", ["run", good.Path]),
            ("(4,15): OutOfLimits", ["run", good.Path, "--parameter", "n=0"]),
            ("'n' is no parameter", ["run", good.Path, "--parameter", "n"]),
            ("cannot be written", ["run", good.Path, "--parameter", "n=1", "--json", nowhere]),
            ("--nothing", ["run", good.Path, "--nothing"]),
            ("Required command", []),
        })
        {
            using var runner = new RunnerProcess(arguments);
            int exitCode = await runner.WaitForExitAsync(TestCancelled);
            Assert.True(exitCode == 2, $"{string.Join(' ', arguments)}: {exitCode}\n{runner.Output}");
            Assert.Contains(expected, runner.Output, StringComparison.Ordinal);
            Assert.DoesNotContain("a: started", runner.Output, StringComparison.Ordinal);
        }
    }

    private static async Task<JsonNode> RunExampleAsync(string name, params string[] arguments)
    {
        using var json = new TemporaryFile("", ".json");
        using var runner = new RunnerProcess(["run", Path.Combine(BuildOutput.ExamplesDirectory, name), "--json", json.Path, .. arguments]);
        int exitCode = await runner.WaitForExitAsync(TestCancelled);
        Assert.True(exitCode == 0, runner.Output);
        return JsonNode.Parse(await File.ReadAllTextAsync(json.Path, TestCancelled))!;
    }

    private static async Task<string?> FindQemuObstacleAsync()
    {
        await using LocalHost host = await LocalHost.OpenAsync(new() { Name = $"probe-{Guid.NewGuid():N}" }, TestCancelled);
        HostDescription description = await host.DescribeAsync(TestCancelled);
        return description.Hypervisors[Engine.Hypervisors.HypervisorKind.Qemu];
    }
}
