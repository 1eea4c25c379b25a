using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

public class MigrationStatusFeedTests
{
    [Fact]
    public void Only_the_transitions_of_the_design_are_allowed()
    {
        (MigrationState From, MigrationState To)[] allowed =
        [
            (MigrationState.Setup, MigrationState.Precopy), (MigrationState.Setup, MigrationState.RolledBack),
            (MigrationState.Setup, MigrationState.CopyingDisks), (MigrationState.CopyingDisks, MigrationState.Precopy),
            (MigrationState.CopyingDisks, MigrationState.RolledBack),
            (MigrationState.Precopy, MigrationState.Switchover), (MigrationState.Precopy, MigrationState.RolledBack),
            (MigrationState.Switchover, MigrationState.Completed), (MigrationState.Switchover, MigrationState.RolledBack),
            (MigrationState.Switchover, MigrationState.Undecided), (MigrationState.Switchover, MigrationState.Postcopy),
            (MigrationState.Postcopy, MigrationState.PostcopyPaused), (MigrationState.Postcopy, MigrationState.Completed),
            (MigrationState.Postcopy, MigrationState.Undecided), (MigrationState.PostcopyPaused, MigrationState.Postcopy),
            (MigrationState.PostcopyPaused, MigrationState.Completed), (MigrationState.PostcopyPaused, MigrationState.Undecided),
        ];
        foreach (MigrationState from in Enum.GetValues<MigrationState>())
        {
            foreach (MigrationState to in Enum.GetValues<MigrationState>())
            {
                Assert.Equal(allowed.Contains((from, to)), MigrationStatusFeed.IsAllowed(from, to));
            }
        }
    }

    [Fact]
    public async Task A_watcher_sees_the_present_status_at_once_and_never_misses_the_last()
    {
        var feed = new MigrationStatusFeed(NewStatus());
        List<MigrationState> seen = [];
        Task watching = Task.Run(async () =>
        {
            await foreach (MigrationStatus status in feed.WatchAsync(TestContext.Current.CancellationToken)) seen.Add(status.State);
        });
        feed.MoveTo(MigrationState.Precopy);
        for (int pass = 1; pass <= 1000; pass++) feed.Report(new(pass, 0, 0, 0, 0, 0, 1));
        feed.MoveTo(MigrationState.Switchover);
        feed.MoveTo(MigrationState.Completed);
        await watching.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);

        Assert.Equal(MigrationState.Completed, seen[^1]);
        Assert.Equal(seen.Order(), seen);
        Assert.NotNull(feed.Current.EndedAt);
    }

    [Fact]
    public void A_transition_the_design_does_not_have_throws_and_changes_nothing()
    {
        var feed = new MigrationStatusFeed(NewStatus());
        Assert.Throws<InvalidOperationException>(() => feed.MoveTo(MigrationState.Completed));
        Assert.Equal(MigrationState.Setup, feed.Current.State);
    }

    private static MigrationStatus NewStatus() => new()
    {
        Id = Guid.NewGuid(),
        VmId = Guid.NewGuid(),
        VmName = "guest",
        SourceHostName = "a",
        DestinationHostName = "b",
        State = MigrationState.Setup,
        StartedAt = DateTimeOffset.UnixEpoch,
        Progress = new(0, 0, 0, 0, 0, 0, 1),
    };
}
