using System.Management.Automation;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets that begin disk transfers: how they are to run, and what becomes of their handles.</summary>
public abstract class DiskTransferStartCmdlet : MigrationCmdlet
{
    /// <summary>What has begun.</summary>
    private protected StartedOperations Started { get; private set; } = null!;

    /// <summary>Most bytes a second on the wire, for example 100MB; 0, the default, means no limit.</summary>
    [Parameter]
    [ValidateRange(0, long.MaxValue)]
    public long? MaxBytesPerSecond { get; set; }

    /// <summary>Parallel data connections, 1 to 16; 0, the default, lets the engine choose.</summary>
    [Parameter]
    [ValidateRange(0, 16)]
    public int? Channels { get; set; }

    /// <summary>
    /// Whether contents are compressed on their way: None, the default, or Zstd, which pays where the network is slower than the processors.
    /// </summary>
    [Parameter]
    public DiskCompression? Compression { get; set; }

    /// <summary>
    /// Replace a file that has the destination's path already. It stays until the new one is complete and verified. Does not ask; -Confirm
    /// does.
    /// </summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>
    /// The network the disk travels over: Direct, the default, for the hosts' ordinary one; Overlay or Nat to make a path for each transfer
    /// that goes with it; or a path that New-MobilityPath made, as an object or by its id, for one transfer.
    /// </summary>
    [Parameter]
    [ArgumentCompletions("Direct", "Overlay", "Nat")]
    public MobilityPathReference? MobilityPath { get; set; }

    /// <summary>The host between the two that -MobilityPath Nat goes over, by name or as an object.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public MigrationHostReference? GatewayHost { get; set; }

    /// <summary>Show progress until the transfers have ended, and write those that completed.</summary>
    [Parameter]
    public SwitchParameter Wait { get; set; }

    /// <summary>With -Wait: stop the transfers where the pipeline is stopped before they have ended; what has arrived stays a fragment.</summary>
    [Parameter]
    public SwitchParameter CancelOnStop { get; set; }

    /// <summary>Write a job for each transfer, for Wait-Job, Receive-Job and Stop-Job.</summary>
    [Parameter]
    public SwitchParameter AsJob { get; set; }

    /// <summary>Refuses switches that exclude each other.</summary>
    protected override void BeginProcessing()
    {
        Started = new(this) { AsJob = AsJob, Wait = Wait, CancelOnStop = CancelOnStop };
        Started.RequireOneWay();
    }

    /// <summary>Waits for what was started, where that was asked for.</summary>
    protected override void EndProcessing() => Started.Finish();

    /// <summary>The mobility path that was asked for.</summary>
    private protected MobilityPathChoice ChosenPath => MobilityPathArguments.Choose(MobilityPath, GatewayHost, nameof(MobilityPath));

    /// <summary>The options as given, the rest taken from <paramref name="otherwise"/>.</summary>
    private protected Engine.Disks.DiskTransferOptions OptionsOver(Engine.Disks.DiskTransferOptions otherwise) => otherwise with
    {
        MaxBytesPerSecond = MaxBytesPerSecond ?? otherwise.MaxBytesPerSecond,
        Channels = Channels ?? otherwise.Channels,
        Compression = (Engine.Disks.DiskCompression?)Compression ?? otherwise.Compression,
        Overwrite = MyInvocation.BoundParameters.ContainsKey(nameof(Force)) ? Force : otherwise.Overwrite,
    };

    /// <summary>Begins a transfer and hands it on.</summary>
    /// <param name="target">What the user named the disk by, for error records.</param>
    /// <param name="source">Finds the host that has the disk.</param>
    /// <param name="begin">Begins it.</param>
    private protected void Begin(
        object target, Func<IMigrationHost> source, Func<IMigrationHost, CancellationToken, Task<DiskTransferStatus>> begin)
    {
        LocatedDiskTransfer? transfer = Attempt(target, async token =>
        {
            IMigrationHost host = source();
            return new LocatedDiskTransfer(host, await begin(host, token).ConfigureAwait(false));
        });
        if (transfer is null) return;
        if (transfer.Status.Notice is { } notice) WriteWarning(notice);
        Started.Add(transfer);
    }
}
