using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using VmMigration.Cmdlets;
using VmMigration.Engine.Runbooks.Execution;

namespace VmMigration.Runner;

/// <summary>
/// Writes what came of a run: the result record of the last migration, with <c>Migration</c> (which one it was) and <c>Run</c> (the steps
/// and outputs) beside its properties, and with <c>Migrations</c>, all of them in order, where there were several. Without a completed
/// migration only <c>Run</c> is there.
/// </summary>
internal static class ResultJson
{
    // The file is no HTML; people read it.
    private static readonly JsonWriterOptions Options = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Write(Stream stream, RunbookRun run, IReadOnlyList<VmMigrationOperation> migrations)
    {
        JsonObject document = migrations.Count > 0 ? Describe(migrations[^1]) : [];
        document["Run"] = Describe(run);
        if (migrations.Count > 1) document["Migrations"] = new JsonArray([.. migrations.Select(Describe)]);
        using var writer = new Utf8JsonWriter(stream, Options);
        document.WriteTo(writer);
    }

    private static JsonObject Describe(VmMigrationOperation migration)
    {
        var record = (JsonObject)JsonValues.Describe(migration.Result)!;
        record["Migration"] = new JsonObject
        {
            ["Id"] = migration.Id,
            ["VmId"] = migration.VmId,
            ["VmName"] = migration.VmName,
            ["SourceHostName"] = migration.SourceHostName,
            ["DestinationHostName"] = migration.DestinationHostName,
            ["StartedAt"] = migration.StartedAt,
        };
        return record;
    }

    private static JsonObject Describe(RunbookRun run) => new()
    {
        ["Id"] = run.Id,
        ["Runbook"] = run.Runbook.Metadata.Name,
        ["Status"] = run.Status.ToString(),
        ["StartedAt"] = run.StartedAt,
        ["Duration"] = JsonValues.Describe(run.Duration),
        ["Failure"] = JsonValues.Describe(run.Failure),
        ["Steps"] = new JsonArray([.. run.Steps.Select(Describe)]),
        ["Outputs"] = JsonValues.Describe(run.Outputs),
    };

    private static JsonObject Describe(StepResult step) => new()
    {
        ["Id"] = step.StepId,
        ["Cmdlet"] = step.Cmdlet,
        ["Status"] = step.Status.ToString(),
        ["StartedAt"] = step.StartedAt,
        ["Duration"] = JsonValues.Describe(step.Duration),
        ["Failure"] = JsonValues.Describe(step.Failure),
    };
}
