using System.Text.Json;
using System.Text.Json.Nodes;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// A block job of QEMU, started with <c>auto-dismiss</c> off so that its error can be read (qemu-qmp-ref(7), JobStatus). Its states are learnt
/// from <c>JOB_STATUS_CHANGE</c> events, never by polling. Disposal cancels a job that is under way, and ends once it is gone.
/// </summary>
internal sealed class QemuBlockJob : IAsyncDisposable
{
    private readonly QmpClient qmp;
    private readonly QmpEventStream changes;
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly string what;
    private Task following = Task.CompletedTask;

    private QemuBlockJob(QmpClient qmp, string id, string what)
    {
        this.qmp = qmp;
        this.what = what;
        Id = id;
        changes = qmp.Subscribe("JOB_STATUS_CHANGE");
    }

    /// <summary>Its id in QEMU.</summary>
    public string Id { get; }

    /// <summary>Ends once what it copies is equal to its source; fails as <see cref="Ended"/> does.</summary>
    public Task Ready => ready.Task;

    /// <summary>Ends once the job has, whichever way; fails with QEMU's words where it did.</summary>
    public Task Ended => following;

    /// <summary>Starts a job.</summary>
    /// <param name="qmp">Connection to the QEMU.</param>
    /// <param name="command">The command that starts it.</param>
    /// <param name="id">Its id.</param>
    /// <param name="arguments">What the command takes besides.</param>
    /// <param name="what">What it does, for messages: a noun.</param>
    public static async Task<QemuBlockJob> StartAsync(QmpClient qmp, string command, string id, JsonObject arguments, string what)
    {
        var job = new QemuBlockJob(qmp, id, what);
        arguments["job-id"] = id;
        arguments["auto-dismiss"] = false;
        try
        {
            await qmp.ExecuteAsync(command, arguments, CancellationToken.None).ConfigureAwait(false);
        }
        catch
        {
            job.changes.Dispose();
            throw;
        }

        job.following = job.FollowAsync();
        return job;
    }

    /// <summary>Ends a job of this id that an engine before this one left; does nothing where there is none.</summary>
    public static async Task EndLeftoverAsync(QmpClient qmp, string id, CancellationToken cancellationToken)
    {
        if (await FindAsync(qmp, id, cancellationToken).ConfigureAwait(false) is null) return;
        var job = new QemuBlockJob(qmp, id, "what an engine before this one left");
        job.following = job.FollowAsync();
        await job.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Bytes done and bytes in all, as QEMU counts them now.</summary>
    public async Task<(long DoneBytes, long TotalBytes)> ReadProgressAsync(CancellationToken cancellationToken) =>
        await FindAsync(qmp, Id, cancellationToken).ConfigureAwait(false) is { } job
            ? (job.GetProperty("current-progress").GetInt64(), job.GetProperty("total-progress").GetInt64())
            : (0, 0);

    /// <summary>Has a ready job end in order: with <c>job-complete</c>, or <c>block-job-cancel</c> without force.</summary>
    public async Task FinishAsync(bool pivot, CancellationToken cancellationToken)
    {
        if (pivot) await CommandAsync("job-complete", "id", cancellationToken).ConfigureAwait(false);
        else await CommandAsync("block-job-cancel", "device", cancellationToken).ConfigureAwait(false);
        await following.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            if (!following.IsCompleted)
            {
                await qmp.ExecuteAsync(
                    "block-job-cancel", new JsonObject { ["device"] = Id, ["force"] = true }, CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (MigrationException error) when (error.Reason is MigrationErrorReason.HypervisorFailed or MigrationErrorReason.VmExited)
        {
            // It ended by itself in the same moment, or went with its QEMU.
        }

        await following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await ready.Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        changes.Dispose();
    }

    private static async Task<JsonElement?> FindAsync(QmpClient qmp, string id, CancellationToken cancellationToken)
    {
        JsonElement jobs = await qmp.ExecuteAsync("query-jobs", cancellationToken).ConfigureAwait(false);
        foreach (JsonElement job in jobs.EnumerateArray())
        {
            if (job.GetProperty("id").GetString() == id) return job;
        }

        return null;
    }

    private Task<JsonElement> CommandAsync(string command, string idArgument, CancellationToken cancellationToken) =>
        qmp.ExecuteAsync(command, new JsonObject { [idArgument] = Id }, cancellationToken);

    private async Task FollowAsync()
    {
        try
        {
            // One that is looked for after it began may be at its end already.
            JsonElement? found = await FindAsync(qmp, Id, CancellationToken.None).ConfigureAwait(false);
            string? status = found?.GetProperty("status").GetString();
            while (status is not ("concluded" or "null" or null))
            {
                if (status == "ready") ready.TrySetResult();
                QmpEvent change = await changes.ReadAsync(CancellationToken.None).ConfigureAwait(false);
                if (change.Text("id") == Id) status = change.Text("status");
            }

            await ConcludeAsync().ConfigureAwait(false);
            ready.TrySetException(new MigrationException(MigrationErrorReason.Cancelled, $"The {what} was ended before it was complete."));
        }
        catch (MigrationException error)
        {
            ready.TrySetException(new MigrationException(error.Reason, error.Message, error.RecommendedAction, error));
            throw;
        }
    }

    private async Task ConcludeAsync()
    {
        if (await FindAsync(qmp, Id, CancellationToken.None).ConfigureAwait(false) is not { } job) return;
        string? error = job.TryGetProperty("error", out JsonElement words) ? words.GetString() : null;
        await CommandAsync("job-dismiss", "id", CancellationToken.None).ConfigureAwait(false);
        if (error is not null)
        {
            throw new MigrationException(
                MigrationErrorReason.HypervisorFailed, $"QEMU could not go on with the {what}: {error}.",
                "Look at the link between the hosts and at the storage of the disk.");
        }
    }
}
