using System.Management.Automation;
using VmMigration.Cmdlets;
using VmMigration.Engine.Runbooks.Execution;

namespace VmMigration.Runner;

/// <summary>Finds the migrations among what a run's steps returned.</summary>
internal static class FinishedMigrations
{
    /// <summary>The completed migrations in the order of their steps, each once and as it was returned last.</summary>
    public static IReadOnlyList<VmMigrationOperation> Of(RunbookRun run)
    {
        // A migration that is looked at again later keeps its place.
        OrderedDictionary<Guid, VmMigrationOperation> found = [];
        foreach (object? output in run.Steps.SelectMany(step => step.Calls).SelectMany(call => call.Outputs))
        {
            object? inner = output is PSObject wrapped ? wrapped.BaseObject : output;
            if (inner is VmMigrationOperation { Result: not null } migration) found[migration.Id] = migration;
        }

        return [.. found.Values];
    }
}
