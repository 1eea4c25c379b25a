using System.Management.Automation;
using VmMigration.Engine.Disks;

namespace VmMigration.Cmdlets;

/// <summary>Stops disk transfers; what has arrived stays at the destination as a fragment.</summary>
/// <remarks>
/// Returns when the transfer has ended, whichever way: one that completed first is completed. Resume-DiskTransfer, or the same
/// Start-DiskTransfer again, goes on from the fragment; Remove-DiskFragment removes it. A name with wildcards means those transfers only that
/// are under way.
/// </remarks>
/// <example>
/// <code>Stop-DiskTransfer web01.qcow2 -PassThru</code>
/// <para>Stops the copy of a disk and writes how it ended.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Stop, "DiskTransfer", DefaultParameterSetName = ByPath, SupportsShouldProcess = true)]
[OutputType(typeof(DiskTransfer))]
public sealed class StopDiskTransferCommand : DiskTransferSelectionCmdlet
{
    /// <summary>Write the transfer as it ended.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override bool IsMeant(LocatedDiskTransfer transfer) => !transfer.Status.HasEnded;

    private protected override void ProcessTransfer(LocatedDiskTransfer transfer, object target)
    {
        if (!ShouldProcess(transfer.Title, "Stop")) return;
        DiskTransferStatus? status = Attempt(target, token => transfer.Host.Disks.CancelDiskTransferAsync(transfer.Id, token));
        if (status is not null && PassThru) WriteObject(DiskTransfer.From(status));
    }
}
