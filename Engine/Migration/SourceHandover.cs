using System.Diagnostics;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// The part of a migration from the commit on, at its source: the VM is given away, served from here where it left before its memory, and
/// its place settled by the destination's word.
/// </summary>
/// <param name="run">The run, with the VM paused and everything at the destination that is to be there.</param>
/// <param name="ending">Settles the VM's place.</param>
internal sealed class SourceHandover(SourceRun run, SourceEnding ending)
{
    private readonly IVirtualMachine vm = run.Vm;

    /// <summary>Gives the VM away. Nothing is cancelled any more, and only the destination's word can bring the VM back.</summary>
    /// <param name="link">The connections to the destination, which waits for the grant.</param>
    /// <param name="move">What was brought there.</param>
    /// <param name="result">What is known of the migration so far.</param>
    /// <param name="closing">The host closes; as for <see cref="SourceMigration.RunAsync"/>.</param>
    public async Task CommitAsync(SourceLink link, SourceMove move, MigrationResult result, CancellationToken closing)
    {
        var commit = new SourceCommit(link, run.Dialer, run.Log);
        MigrationOutcome outcome = await commit.RunAsync(run.WasRunning).ConfigureAwait(false);
        TimeSpan commitTime = Stopwatch.GetElapsedTime(move.ReadyAt);
        result = result with { TotalTime = Stopwatch.GetElapsedTime(run.StartedAt), Downtime = Stopwatch.GetElapsedTime(move.StoppedAt) };
        if (commit.Resumed is { } resumed) result = Describe(result, resumed, commitTime);
        switch (outcome)
        {
            case MigrationOutcome.DestinationOwns or MigrationOutcome.DestinationReceives when run.Postcopy is { } postcopy:
                run.LiftTrace();
                await FollowAsync(postcopy, commit.Resumed is null ? null : commit.Link, commit.Resumed, result, closing)
                    .ConfigureAwait(false);
                break;
            case MigrationOutcome.DestinationOwns:
                // The paused copy is still as it was at the pause, traces included.
                result = result with { LargePagesAtPause = await ReadLargePagesAtPauseAsync().ConfigureAwait(false) };
                run.LiftTrace();
                await ending.CompleteAsync(link, commit.Resumed, result).ConfigureAwait(false);
                break;
            case MigrationOutcome.SourceOwns:
                await run.EndPostcopyAsync().ConfigureAwait(false);
                await ending.RollBackAsync(link, commit.Failure!, run.WasRunning, cancelled: false, run.LiftTrace).ConfigureAwait(false);
                break;
            default:
                await run.EndPostcopyAsync().ConfigureAwait(false);
                run.LiftTrace();
                await ending.KeepUndecidedAsync(commit.Failure).ConfigureAwait(false);
                break;
        }
    }

    /// <summary>Serves the VM, which runs at the destination, until it needs nothing more from here.</summary>
    /// <param name="following">What serves it.</param>
    /// <param name="link">The connections to the destination; null where they broke.</param>
    /// <param name="resumed">What the destination said of the resume; null where no report will follow.</param>
    /// <param name="result">What is known of the migration so far.</param>
    /// <param name="closing">The host closes; as for <see cref="SourceMigration.RunAsync"/>.</param>
    public async Task FollowAsync(
        SourcePostcopy following, SourceLink? link, ResumedMessage? resumed, MigrationResult result, CancellationToken closing)
    {
        PostcopyEnd end = await following.RunAsync(link, closing).ConfigureAwait(false);
        await following.DisposeAsync().ConfigureAwait(false);
        await using SourceLink? last = end.Link;
        result = following.Describe(result, end);

        // Some may have turned bad only when they were asked for.
        result = result with { PoisonedPages = [.. result.PoisonedPages.UnionBy(vm.Memory.Poisoned.ToList(), page => page.Page)] };
        switch (end.Kind)
        {
            case PostcopyEndKind.Completed:
                await ending.CompleteAsync(end.Link, end.Error is null ? resumed : null, result, end.Error).ConfigureAwait(false);
                break;
            case PostcopyEndKind.Mismatch or PostcopyEndKind.Stranded:
                await ending.KeepCopyAsync(end.Error!).ConfigureAwait(false);
                break;
            case PostcopyEndKind.Abandoned:
                run.Log.Warning(
                    "The host closes with the post-copy paused: the VM's copy stays, for the destination has not all of its memory");
                break;
        }
    }

    private async Task<LargePageCoverage?> ReadLargePagesAtPauseAsync()
    {
        try
        {
            return await Task.Run(vm.ReadLargePageCoverage).ConfigureAwait(false);
        }
        catch (MigrationException error)
        {
            run.Log.Debug(error, "The paused copy ended before its large pages could be counted");
            return null;
        }
    }

    private static MigrationResult Describe(MigrationResult result, ResumedMessage resumed, TimeSpan commitTime) => result with
    {
        DowntimeParts = result.DowntimeParts with { Commit = commitTime - resumed.ResumeTime, Resume = resumed.ResumeTime },
        PagesPopulated = resumed.PagesPopulated,
        PopulationTime = resumed.PopulationTime,
        Accelerator = resumed.Accelerator,
        Fallbacks =
        [
            .. result.Fallbacks,
            .. MigrationFallbacks.Named("No page tables were populated", resumed.PopulationRefused),
            .. MigrationFallbacks.Named("Poisoned pages were made to fail in another way", resumed.PoisonFallback),
            .. MigrationFallbacks.Named("No large pages were kept", resumed.LargePagesRefused),
        ],
    };
}
