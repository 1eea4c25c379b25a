using System.Collections.Concurrent;
using Xunit;

namespace VmMigration.Functional.Tests.CrashSafety;

/// <summary>Runs cells of the table side by side, and tells how each ended.</summary>
internal static class CrashTable
{
    private static readonly int labs = Math.Clamp(Environment.ProcessorCount, 2, 4);

    /// <summary>Runs every cell so often; odd rounds let the frame through before they kill, even ones hold it.</summary>
    public static async Task RunAsync(CrashCell[] cells, int rounds)
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
