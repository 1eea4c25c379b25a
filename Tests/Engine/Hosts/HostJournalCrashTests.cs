using System.Diagnostics;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

public sealed class HostJournalCrashTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    [InlineData(777)]
    public async Task What_a_killed_process_reported_as_recorded_is_in_the_journal(int linesBeforeKill)
    {
        using var scratch = new ScratchDirectory();
        OrderedDictionary<Guid, MigrationJournalState> reported = [];
        using (Process writer = JournalWriterProcess.Start(scratch.Path))
        {
            int lines = 0;
            while (await writer.StandardOutput.ReadLineAsync(Cancel) is { } line)
            {
                if (++lines == linesBeforeKill) writer.Kill();
                // The last line may be torn by the kill; only a whole one reports anything.
                if (JournalWriterProcess.TryParse(line, out Guid id, out MigrationJournalState state)) reported[id] = state;
            }

            await writer.WaitForExitAsync(Cancel);
            Assert.NotEqual(0, writer.ExitCode);
            Assert.True(lines >= linesBeforeKill, $"The writer ended by itself after {lines} records.");
        }

        using HostDirectory directory = HostDirectory.Open(scratch.Path);
        using HostJournal journal = HostJournal.Open(directory);
        foreach ((Guid migrationId, MigrationJournalState state) in reported.SkipLast(1))
        {
            MigrationJournalEntry? entry = await journal.FindAsync(migrationId, MigrationRole.Source, Cancel);
            Assert.Equal(state, entry?.State);
        }

        // A record may have been made and not reported any more, never the other way round.
        (Guid lastId, MigrationJournalState lastState) = reported.Last();
        MigrationJournalEntry? last = await journal.FindAsync(lastId, MigrationRole.Source, Cancel);
        Assert.True(last?.State >= lastState, $"Reported {lastState}, found {last?.State}.");
    }

    [Fact]
    public async Task A_directory_another_process_has_is_refused_until_that_process_is_gone()
    {
        using var scratch = new ScratchDirectory();
        using Process holder = JournalWriterProcess.Start(scratch.Path);
        try
        {
            Assert.NotNull(await holder.StandardOutput.ReadLineAsync(Cancel));

            var refusal = Assert.Throws<MigrationException>(() => HostDirectory.Open(scratch.Path));

            Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
            Assert.Contains(scratch.Path, refusal.Message, StringComparison.Ordinal);
        }
        finally
        {
            holder.Kill();
            await holder.WaitForExitAsync(CancellationToken.None);
        }

        HostDirectory.Open(scratch.Path).Dispose();
    }
}
