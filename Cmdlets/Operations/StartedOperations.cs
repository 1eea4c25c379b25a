using VmMigration.Engine;

namespace VmMigration.Cmdlets;

/// <summary>What a cmdlet does with the operations it starts: writes them at once, waits for their ends, or makes jobs of them.</summary>
/// <param name="cmdlet">The cmdlet.</param>
internal sealed class StartedOperations(MigrationCmdlet cmdlet)
{
    private readonly List<HostOperation> awaited = [];

    /// <summary>Write a job for each.</summary>
    public bool AsJob { get; init; }

    /// <summary>Write each at its end.</summary>
    public bool Wait { get; init; }

    /// <summary>With <see cref="Wait"/>: cancel them where the pipeline is stopped.</summary>
    public bool CancelOnStop { get; init; }

    /// <summary>Refuses switches that exclude each other, by ending the pipeline.</summary>
    public void RequireOneWay()
    {
        if (!Wait || !AsJob) return;
        cmdlet.ThrowTerminatingError(MigrationError.ToRecord(
            new MigrationException(MigrationErrorReason.InvalidArgument, "-Wait and -AsJob exclude each other.",
                "Use -AsJob and then Wait-Job, or -Wait alone."), null));
    }

    /// <summary>Takes one that has begun.</summary>
    public void Add(HostOperation operation)
    {
        if (AsJob) WriteJob(operation);
        else if (Wait) awaited.Add(operation);
        else cmdlet.WriteObject(operation.Report.Snapshot);
    }

    /// <summary>Waits for all that are to be waited for.</summary>
    public void Finish() => new OperationWait(cmdlet) { CancelsOnStop = CancelOnStop }.WaitForAll(awaited, timeout: null);

    private void WriteJob(HostOperation operation)
    {
        var job = new OperationJob(cmdlet.MyInvocation.Line, operation);
        cmdlet.JobRepository.Add(job);
        job.Start();
        cmdlet.WriteObject(job);
    }
}
