using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Functional.Tests.CrashSafety;

/// <summary>Looks into the journal of an agent that runs, through a copy of its files as a crash at this moment would leave them.</summary>
internal static class JournalSnapshot
{
    /// <summary>Asserts that what a frame says was recorded before it was sent; for frames that say nothing of the kind it does nothing.</summary>
    public static async Task AssertRecordedBeforeAsync(FrameType type, Guid migrationId, CrashAgent source, CrashAgent destination)
    {
        switch (type)
        {
            case FrameType.Grant:
                Assert.Equal(MigrationJournalState.Granted, await ReadAsync(source, migrationId, MigrationRole.Source));
                break;
            case FrameType.Resumed:
                Assert.Contains(
                    await ReadAsync(destination, migrationId, MigrationRole.Destination),
                    new MigrationJournalState?[] { MigrationJournalState.Owner, MigrationJournalState.Receiving });
                break;
            case FrameType.Report or FrameType.Placed:
                Assert.Equal(MigrationJournalState.Completed, await ReadAsync(destination, migrationId, MigrationRole.Destination));
                break;
        }
    }

    private static async Task<MigrationJournalState?> ReadAsync(CrashAgent agent, Guid migrationId, MigrationRole role)
    {
        DirectoryInfo copy = Directory.CreateTempSubdirectory("vmm-journal-");
        try
        {
            // The log last: it is written first, and the database changes only by checkpoints, which none is under way now.
            foreach (string suffix in new[] { "", "-wal" })
            {
                File.Copy(agent.JournalPath + suffix, Path.Combine(copy.FullName, $"journal.db{suffix}"));
            }

            using HostDirectory directory = HostDirectory.Open(copy.FullName);
            using HostJournal journal = HostJournal.Open(directory);
            return (await journal.FindAsync(migrationId, role, TestContext.Current.CancellationToken))?.State;
        }
        finally
        {
            copy.Delete(recursive: true);
        }
    }
}
