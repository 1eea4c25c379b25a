using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Goes on with disk transfers that are suspended, failed or were stopped, or with what is left of them.</summary>
/// <remarks>
/// A suspended transfer goes on as it was started. For one that ended early, and for a fragment, a new transfer to the same place is started:
/// what is there stays, the part that may be torn is compared, and only what is missing is sent. Where the disk was written since, all of it
/// is compared and what differs is sent; where that would take longer than sending it, it is sent anew. Resumption of the new transfer says
/// which way was taken. A name with wildcards means those transfers only that can be resumed.
/// </remarks>
/// <example>
/// <code>Resume-DiskTransfer web01.qcow2 -Wait</code>
/// <para>Goes on with the last transfer of a disk and waits for its end.</para>
/// </example>
/// <example>
/// <code>Get-DiskFragment -HostName kvm02 | Resume-DiskTransfer | Wait-DiskTransfer</code>
/// <para>Goes on with everything that a host has fragments of, whoever started it.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Resume, "DiskTransfer", DefaultParameterSetName = ByPath, SupportsShouldProcess = true)]
[OutputType(typeof(DiskTransfer), typeof(Job))]
public sealed class ResumeDiskTransferCommand : DiskTransferStartCmdlet
{
    private const string ByPath = DiskTransferChoiceCmdlet.ByPath;
    private const string ById = DiskTransferChoiceCmdlet.ById;
    private const string ByTransfer = DiskTransferChoiceCmdlet.ByTransfer;
    private const string ByFragment = "Fragment";

    /// <summary>
    /// Paths of disks at their source, or names of their files; wildcards are allowed. Of each disk's transfers to the same place the last is
    /// meant.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByPath, ValueFromPipeline = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DiskTransferPathCompleter))]
    [Alias("SourcePath")]
    public string[] Path { get; set; } = [];

    /// <summary>Ids of transfers.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(DiskTransferIdCompleter))]
    public Guid[] Id { get; set; } = [];

    /// <summary>Transfer objects, as Start-DiskTransfer and Get-DiskTransfer write them.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByTransfer, ValueFromPipeline = true)]
    public DiskTransfer[] InputObject { get; set; } = [];

    /// <summary>Fragment objects, as Get-DiskFragment writes them. The disk's source host must be one of this session.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByFragment, ValueFromPipeline = true)]
    public DiskFragment[] Fragment { get; set; } = [];

    /// <summary>Resumes what each argument chose.</summary>
    protected override void ProcessRecord()
    {
        switch (ParameterSetName)
        {
            case ById:
                foreach (Guid id in Id) ResumeFound(id, token => DiskTransferLookup.FindByIdAsync(id, token));
                break;
            case ByTransfer:
                foreach (DiskTransfer transfer in InputObject)
                {
                    ResumeFound(transfer, token => DiskTransferLookup.FindByIdAsync(transfer.Id, token));
                }

                break;
            case ByFragment:
                foreach (DiskFragment fragment in Fragment) Resume(fragment);
                break;
            default:
                foreach (string path in Path) ResumeFound(path, token => DiskTransferLookup.FindByPathAsync(path, limit: null, token));
                break;
        }
    }

    private void ResumeFound(object target, Func<CancellationToken, Task<HostAnswers<LocatedDiskTransfer>>> find)
    {
        foreach (LocatedDiskTransfer transfer in DiskTransferLookup.Meant(AttemptSearch(target, find), target, CanGoOn)) Resume(transfer, target);
    }

    private static bool CanGoOn(LocatedDiskTransfer transfer) => transfer.Status.State is
        Engine.Disks.DiskTransferState.Suspended or Engine.Disks.DiskTransferState.Failed or Engine.Disks.DiskTransferState.Cancelled;

    private void Resume(LocatedDiskTransfer transfer, object target)
    {
        DiskTransferStatus status = transfer.Status;
        bool hasEndedEarly = status.State is Engine.Disks.DiskTransferState.Failed or Engine.Disks.DiskTransferState.Cancelled;
        if (!ShouldProcess(transfer.Title, hasEndedEarly ? "Start again from what is there" : "Resume")) return;
        Begin(target, () => transfer.Host, hasEndedEarly
            ? (source, token) => DiskTransferBroker.StartAsync(
                source, status.SourcePath, HostRegistry.Get(status.DestinationHostName), status.DestinationPath,
                OptionsOver(status.Options) with { UseFragment = true }, ChosenPath, token)
            : (source, token) => ContinueAsync(source, status.Id, token));
    }

    private void Resume(DiskFragment fragment)
    {
        if (!ShouldProcess(fragment.ToString(), "Start again from what is there")) return;
        Begin(fragment, () => HostRegistry.Get(fragment.SourceHostName), (source, token) => DiskTransferBroker.ResumeAsync(
            source, HostRegistry.Get(fragment.HostName), fragment.Id, OptionsOver(new()), ChosenPath, token));
    }

    private Task<DiskTransferStatus> ContinueAsync(IMigrationHost source, Guid id, CancellationToken cancellationToken)
    {
        string? unheard = new[]
        {
            nameof(MaxBytesPerSecond), nameof(Channels), nameof(Compression), nameof(Force), nameof(MobilityPath), nameof(GatewayHost),
        }.FirstOrDefault(MyInvocation.BoundParameters.ContainsKey);
        if (unheard is not null)
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument,
                $"-{unheard} changes nothing of transfer {id}: it goes on over the connections it has.",
                "Leave it out, or stop the transfer first; the new one then goes on from what is there.");
        }

        return source.Disks.ResumeDiskTransferAsync(id, cancellationToken);
    }
}
