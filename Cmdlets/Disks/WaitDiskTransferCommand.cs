using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Waits for disk transfers to end, all at once, and shows their progress.</summary>
/// <remarks>
/// Writes each transfer as it completes. One that failed or was stopped is a non-terminating error whose TargetObject is the transfer; what
/// arrived of it is a fragment at its destination. Ctrl+C and the time limit end only the waiting. A suspended transfer is waited for until
/// somebody resumes it.
/// </remarks>
/// <example>
/// <code>Get-DiskTransfer | Where-Object HasEnded -eq $false | Wait-DiskTransfer -Timeout 30min</code>
/// <para>Waits for all transfers under way, thirty minutes in all.</para>
/// </example>
/// <example>
/// <code>Wait-DiskTransfer web01.qcow2 -PercentComplete 90</code>
/// <para>Waits until nine tenths of a disk are there, and leaves the transfer to go on.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Wait, "DiskTransfer", DefaultParameterSetName = ByPath)]
[OutputType(typeof(DiskTransfer))]
public sealed class WaitDiskTransferCommand : DiskTransferSelectionCmdlet
{
    private readonly List<LocatedDiskTransfer> chosen = [];

    /// <summary>Time limit for all transfers together: seconds, 5min or a TimeSpan. Without it, as long as it takes.</summary>
    [Parameter]
    [Duration]
    public TimeSpan? Timeout { get; set; }

    /// <summary>
    /// Wait only until so much of the disk is done, 0 to 100, and write the transfer as it stands then. Without it, until the end.
    /// </summary>
    [Parameter]
    [ValidateRange(0, 100)]
    public int? PercentComplete { get; set; }

    /// <summary>Waits for what was chosen.</summary>
    protected override void EndProcessing() => new OperationWait(this)
    {
        IsEnough = PercentComplete is { } percent ? report => ((DiskTransfer)report.Snapshot).PercentComplete >= percent : null,
    }.WaitForAll(chosen, Timeout);

    private protected override void ProcessTransfer(LocatedDiskTransfer transfer, object target)
    {
        if (chosen.All(other => other.Id != transfer.Id)) chosen.Add(transfer);
    }
}
