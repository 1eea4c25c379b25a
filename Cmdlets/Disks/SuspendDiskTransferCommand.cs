using System.Management.Automation;
using VmMigration.Engine.Disks;

namespace VmMigration.Cmdlets;

/// <summary>Suspends disk transfers: nothing more is sent until Resume-DiskTransfer.</summary>
/// <remarks>
/// The connections stay, and what has arrived is made durable. A name with wildcards means those transfers only that are under way.
/// </remarks>
/// <example>
/// <code>Suspend-DiskTransfer *</code>
/// <para>Gives the network to others for a while.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Suspend, "DiskTransfer", DefaultParameterSetName = ByPath, SupportsShouldProcess = true)]
[OutputType(typeof(DiskTransfer))]
public sealed class SuspendDiskTransferCommand : DiskTransferSelectionCmdlet
{
    /// <summary>Write the transfer as it stands then.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override bool IsMeant(LocatedDiskTransfer transfer) => !transfer.Status.HasEnded;

    private protected override void ProcessTransfer(LocatedDiskTransfer transfer, object target)
    {
        if (!ShouldProcess(transfer.Title, "Suspend")) return;
        DiskTransferStatus? status = Attempt(target, token => transfer.Host.Disks.SuspendDiskTransferAsync(transfer.Id, token));
        if (status is not null && PassThru) WriteObject(DiskTransfer.From(status));
    }
}
