using System.Text.Json.Nodes;
using Spectre.Console;
using VmMigration.Engine.Runbooks;
using VmMigration.Engine.Runbooks.Execution;
using VmMigration.Runner;

namespace VmMigration.Cmdlets.Tests;

public sealed class ResultOutputTests
{
    private static readonly Runbook Sample = new RunbookReader(CmdletCatalog.Catalog).Read(
        "apiVersion: vm-migration/v1\nkind: MigrationRunbook\nmetadata: { name: sample }\nsteps: [{ id: one, run: Get-MigrationVm }, { id: two, run: Get-MigrationVm }]\n",
        "sample.yaml").GetRunbook();

    [Fact]
    public void One_migration_is_the_document_itself()
    {
        JsonNode document = Write([Migration("web01", 10)]);
        Assert.Equal(("00:00:01.5000000", "00:00:00.0100000", 3), ((string?)document["TotalTime"], (string?)document["Downtime"], (int)document["Passes"]!));
        Assert.Equal("web01", (string?)document["Migration"]!["VmName"]);
        Assert.Null(document["Migrations"]);
        Assert.Equal("Succeeded", (string?)document["Run"]!["Status"]);
    }

    [Fact]
    public void Of_several_migrations_the_last_is_the_document_and_all_are_listed()
    {
        JsonNode document = Write([Migration("web01", 10), Migration("web02", 20)]);
        Assert.Equal("web02", (string?)document["Migration"]!["VmName"]);
        Assert.Equal(["00:00:00.0100000", "00:00:00.0200000"], document["Migrations"]!.AsArray().Select(item => (string?)item!["Downtime"]));
    }

    [Fact]
    public void Without_a_migration_there_is_only_the_run() =>
        Assert.Equal(["Run"], Write([]).AsObject().Select(property => property.Key));

    [Fact]
    public void The_table_shows_one_migration_in_full()
    {
        string shown = Render(console => ResultTable.Write(console, [Migration("web01", 10)]));
        foreach (string expected in new[] { "web01", "kvm01 → kvm02", "1.50 s", "10.0 ms", "device state", "MemoryVerified", "true", "2.0 MiB", "1.3 MiB/s", "reason one" })
        {
            Assert.Contains(expected, shown, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_table_tells_of_traces_large_pages_poison_and_postcopy_where_there_were_some()
    {
        VmMigrationOperation plain = Migration("web01", 10);
        VmMigrationOperation full = plain with
        {
            Result = plain.Result! with
            {
                WriteTraceMechanism = WriteTraceMechanism.AdaptiveWriteProtect,
                WriteTraceGranularityBytes = 2 << 20,
                TraceFaults = 1234,
                TraceStallTime = TimeSpan.FromMilliseconds(5),
                MaxFaultDelay = TimeSpan.FromMilliseconds(20),
                LargePagesAtSource = new(1 << 30, 1 << 30),
                LargePagesAtDestination = new(1 << 30, 1 << 29),
                PoisonedPages =
                [
                    new()
                    {
                        VmId = plain.VmId,
                        VmName = "web01",
                        HostName = "kvm02",
                        Page = 1,
                        Source = PoisonSource.Carried,
                        Since = DateTimeOffset.UnixEpoch,
                    },
                ],
                Postcopy = new(500, 77, TimeSpan.FromMilliseconds(30), TimeSpan.FromSeconds(2), 1),
            },
        };
        string shown = Render(console => ResultTable.Write(console, [full]));
        string[] expected =
        [
            "AdaptiveWriteProtect", @"unit +│ +2\.0 MiB", "1,234, the guest waited 5\\.0 ms", "20\\.0 ms",
            @"at the source +│ +100\.0 %", @"at the pause +│ +unknown", @"at the destination +│ +50\.0 %", @"Poisoned pages +│ +1 ",
            "500 pages in 2\\.00 s", "77, the guest stood 30\\.0 ms", @"interruptions +│ +1 ",
        ];
        Assert.All(expected, pattern => Assert.Matches(pattern, shown));
        string bare = Render(console => ResultTable.Write(console, [plain]));
        Assert.All(["unit", "Large pages", "Post-copy"], absent => Assert.DoesNotContain(absent, bare, StringComparison.Ordinal));
    }

    [Fact]
    public void The_table_shows_several_migrations_in_a_line_each()
    {
        string shown = Render(console => ResultTable.Write(console, [Migration("web01", 10), Migration("web02", 20)]));
        Assert.Single(shown.Split('\n'), line => line.Contains("web01", StringComparison.Ordinal) && line.Contains("10.0 ms", StringComparison.Ordinal));
        Assert.Single(shown.Split('\n'), line => line.Contains("web02", StringComparison.Ordinal) && line.Contains("20.0 ms", StringComparison.Ordinal));
    }

    [Fact]
    public void Live_progress_shows_each_step_and_a_bar_for_the_one_under_way()
    {
        var progress = new LiveProgress(Sample);
        void Report(RunbookProgressKind kind, int step, StepActivity? activity = null, StepResult? result = null) =>
            progress.Report(new() { Kind = kind, RunId = Guid.Empty, Step = Sample.Steps[step], Activity = activity, Result = result });
        Report(RunbookProgressKind.StepStarted, 0);
        Report(RunbookProgressKind.StepActivity, 0, new() { Activity = "Migrating [web01]", Status = "pass 2", PercentComplete = 50 });
        Report(RunbookProgressKind.StepActivity, 0, new() { Warning = "[slow]" });
        string[] lines = Lines();
        Assert.StartsWith("▸ one", lines[0], StringComparison.Ordinal);
        Assert.Equal("  ━━━━━━━━━━━━────────────  50 %  Migrating [web01]", lines[1]);
        Assert.Equal(["  pass 2", "· two", "one: [slow]"], lines[2..].Select(line => line.TrimEnd()));

        Report(RunbookProgressKind.StepEnded, 0, result: new()
        {
            StepId = "one", Cmdlet = "Get-MigrationVm", IsAlways = false, Status = StepStatus.Succeeded, Duration = TimeSpan.FromSeconds(1.5),
        });
        Assert.Equal("✓ one 1.5 s", Lines()[0].TrimEnd());

        string[] Lines() => [.. Render(console => console.Write(progress.Render())).TrimEnd('\n').Split('\n').Select(line => line.TrimEnd())];
    }

    private static JsonNode Write(IReadOnlyList<VmMigrationOperation> migrations)
    {
        using var stream = new MemoryStream();
        var run = new RunbookRun
        {
            Id = Guid.NewGuid(),
            Runbook = Sample,
            Status = Engine.Runbooks.Execution.RunbookRunStatus.Succeeded,
            StartedAt = DateTimeOffset.UnixEpoch,
            Duration = TimeSpan.FromSeconds(2),
            Steps = [],
        };
        ResultJson.Write(stream, run, migrations);
        return JsonNode.Parse(stream.ToArray())!;
    }

    private static string Render(Action<IAnsiConsole> write)
    {
        var text = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 100;
        write(console);
        return text.ToString();
    }

    private static VmMigrationOperation Migration(string name, int downtimeMilliseconds) => new()
    {
        Id = Guid.NewGuid(),
        VmId = Guid.NewGuid(),
        VmName = name,
        SourceHostName = "kvm01",
        DestinationHostName = "kvm02",
        State = MigrationState.Completed,
        PercentComplete = 100,
        StartedAt = DateTimeOffset.UnixEpoch,
        Result = new()
        {
            TotalTime = TimeSpan.FromSeconds(1.5),
            Downtime = TimeSpan.FromMilliseconds(downtimeMilliseconds),
            Passes = 3,
            BytesSent = 2 << 20,
            MemoryVerified = true,
            Fallbacks = ["reason one"],
        },
    };
}
