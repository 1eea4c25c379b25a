using System.Collections.Concurrent;
using System.Globalization;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Functional.Tests.CrashSafety;

/// <summary>
/// The table: every state of the protocol, and in each the agents and the QEMUs of both sides killed by SIGKILL. The whole of it is a soak of
/// half an hour; it may be said in the environment how often (<c>VMMIGRATION_CRASH_ROUNDS</c>) and for which states
/// (<c>VMMIGRATION_CRASH_STATES</c>, a part of their names). What always runs are the moments around the commit.
/// </summary>
public class SwitchoverCrashTests
{
    private const int MinCells = 40;

    private static readonly int labs = Math.Clamp(Environment.ProcessorCount, 2, 4);

    [Fact]
    public async Task Whoever_is_killed_around_the_commit_the_guest_runs_once_with_its_memory_whole_or_waits_paused_with_a_way_out()
    {
        await RunAsync(
            [
                new(new(FrameType.Pages, FromSource: true, Nth: 20), CrashVictim.SourceAgent),
                new(new(FrameType.StateEnd, FromSource: true), CrashVictim.DestinationQemu),
                new(new(FrameType.Ready, FromSource: false), CrashVictim.SourceAgent),
                new(new(FrameType.Grant, FromSource: true), CrashVictim.SourceAgent),
                new(new(FrameType.Grant, FromSource: true), CrashVictim.DestinationAgent),
                new(new(FrameType.Resumed, FromSource: false), CrashVictim.SourceAgent),
                new(new(FrameType.Resumed, FromSource: false), CrashVictim.DestinationAgent),
                new(new(FrameType.Report, FromSource: false), CrashVictim.SourceQemu),
            ], rounds: 1);
    }

    /// <summary>A soak: it runs only where it is asked for.</summary>
    [Fact(Explicit = true)]
    public async Task Whoever_is_killed_at_whatever_state_the_guest_runs_once_with_its_memory_whole_or_waits_paused_with_a_way_out()
    {
        int rounds = int.Parse(Environment.GetEnvironmentVariable("VMMIGRATION_CRASH_ROUNDS") ?? "3", CultureInfo.InvariantCulture);
        string states = Environment.GetEnvironmentVariable("VMMIGRATION_CRASH_STATES") ?? "";
        CrashCell[] cells =
        [
            .. from state in CrashState.All
               where state.ToString().Contains(states, StringComparison.OrdinalIgnoreCase)
               from victim in Enum.GetValues<CrashVictim>()
               select new CrashCell(state, victim),
        ];
        if (states.Length == 0) Assert.True(cells.Length >= MinCells);
        await RunAsync(cells, rounds);
    }

    private static async Task RunAsync(CrashCell[] cells, int rounds)
    {
        var waiting = new ConcurrentQueue<(CrashCell Cell, int Round)>(
            from cell in cells from round in Enumerable.Range(0, rounds) select (cell, round));
        var ends = new ConcurrentBag<(CrashCell Cell, string End)>();
        var failures = new ConcurrentBag<string>();
        await Task.WhenAll(Enumerable.Range(0, labs).Select(_ => WorkAsync(waiting, ends, failures)));
        foreach (CrashCell cell in cells)
        {
            IEnumerable<string> told = ends.Where(end => end.Cell == cell).GroupBy(end => end.End).Select(end => $"{end.Count()} {end.Key}");
            TestContext.Current.TestOutputHelper!.WriteLine($"{cell,-50} {string.Join("; ", told)}");
        }

        Assert.True(failures.IsEmpty, string.Join("\n\n", failures));
        Assert.Equal(cells.Length * rounds, ends.Count);
    }

    private static async Task WorkAsync(
        ConcurrentQueue<(CrashCell Cell, int Round)> waiting, ConcurrentBag<(CrashCell Cell, string End)> ends, ConcurrentBag<string> failures)
    {
        CrashLab? lab = null;
        try
        {
            while (waiting.TryDequeue(out (CrashCell Cell, int Round) next))
            {
                TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
                bool delivered = next.Round % 2 == 1;
                try
                {
                    lab ??= await CrashLab.OpenAsync();
                    string end = await lab.RunAsync(next.Cell, delivered);
                    ends.Add((next.Cell, end));
                }
                catch (Exception error) when (error is not OperationCanceledException)
                {
                    // The other cells are worth knowing too; what is left of this one goes with its lab.
                    failures.Add($"{next.Cell}, {(delivered ? "frame delivered" : "frame held")}: {error}");
                    if (lab is not null) await lab.DisposeAsync();
                    lab = null;
                }
            }
        }
        finally
        {
            if (lab is not null) await lab.DisposeAsync();
        }
    }
}
