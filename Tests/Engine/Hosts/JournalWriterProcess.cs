using System.Diagnostics;
using System.Runtime.CompilerServices;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Tests.Hosts;

/// <summary>
/// This test program once more, as a child that holds a state directory and writes its journal until it is killed. It prints a line for each
/// record, after the record was made.
/// </summary>
internal static class JournalWriterProcess
{
    private const string DirectoryVariable = "VMMIGRATION_TEST_JOURNAL_WRITER";

    private static readonly MigrationJournalState[] states =
    [
        MigrationJournalState.Started, MigrationJournalState.Granted, MigrationJournalState.Completed,
    ];

    public static Process Start(string stateDirectory)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
        string program = typeof(JournalWriterProcess).Assembly.Location;
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet") start.ArgumentList.Add(program);
        start.Environment[DirectoryVariable] = stateDirectory;
        return Process.Start(start)!;
    }

    public static bool TryParse(string line, out Guid migrationId, out MigrationJournalState state)
    {
        string[] words = line.Split(' ');
        state = default;
        return Guid.TryParseExact(words[0], "D", out migrationId) && words.Length == 2
            && states.Select(known => known.ToString()).Contains(words[1]) && Enum.TryParse(words[1], out state);
    }

    // Runs before the test runner's entry point; in the tests' own process the variable is not set.
    [ModuleInitializer]
    internal static void RunAsChild()
    {
        if (Environment.GetEnvironmentVariable(DirectoryVariable) is not { } stateDirectory) return;
        using HostDirectory directory = HostDirectory.Open(stateDirectory);
        using HostJournal journal = HostJournal.Open(directory);
        using Stream output = Console.OpenStandardOutput();
        while (true)
        {
            var migrationId = Guid.NewGuid();
            foreach (MigrationJournalState state in states)
            {
                ValueTask recorded = journal.RecordAsync(
                    new(migrationId, MigrationRole.Source, Guid.Empty, "peer", state, DateTimeOffset.UtcNow), CancellationToken.None);
                Debug.Assert(recorded.IsCompletedSuccessfully, "The journal writes on the caller's thread.");
                output.Write(System.Text.Encoding.ASCII.GetBytes($"{migrationId} {state}\n"));
            }
        }
    }
}
