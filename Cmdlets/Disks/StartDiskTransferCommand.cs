using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors.Qemu;

namespace VmMigration.Cmdlets;

/// <summary>Copies disks to another host.</summary>
/// <remarks>
/// Writes a handle at once; the source host drives the transfer, so it goes on whatever becomes of this pipeline. With -Wait the cmdlet shows
/// progress and writes the transfers as they complete; Ctrl+C then ends only the waiting, or with -CancelOnStop the transfers too.
/// Holes and zeros cost next to nothing, every block is verified at the destination, and the disk has its final name only when it is complete.
/// A transfer that ends early leaves a fragment at the destination: the same command again goes on from it and sends only what is missing,
/// or, where the disk was written since, what differs. The disk must not be written meanwhile: stop its VM, or move the running VM with its
/// disks by Start-VmMigration -IncludeDisks.
/// </remarks>
/// <example>
/// <code>Start-DiskTransfer web01.qcow2 kvm01 kvm02 -Wait</code>
/// <para>Copies a disk from one host's datastore to the other's.</para>
/// </example>
/// <example>
/// <code>Start-DiskTransfer /vm/web01.raw kvm01 kvm02 -DestinationPath /vm/web01.qcow2 -DestinationFormat Qcow2 -Compression Zstd -Wait</code>
/// <para>Converts a disk on its way, over a slow network.</para>
/// </example>
/// <example>
/// <code>Get-MigrationVm web01 | Start-DiskTransfer -DestinationHost kvm02 -MaxBytesPerSecond 100MB | Wait-DiskTransfer</code>
/// <para>Copies all disks of a stopped VM.</para>
/// </example>
/// <example>
/// <code>$job = Start-DiskTransfer web01.qcow2 kvm01 kvm02 -AsJob; Stop-Job $job; Resume-DiskTransfer web01.qcow2 -Wait</code>
/// <para>Copies as a job; stopping the job stops the transfer, which goes on later where it was.</para>
/// </example>
// No default parameter set: PowerShell would try a VM object as a path before it looks at the other set.
[Cmdlet(VerbsLifecycle.Start, "DiskTransfer", SupportsShouldProcess = true)]
[OutputType(typeof(DiskTransfer), typeof(Job))]
public sealed class StartDiskTransferCommand : DiskTransferStartCmdlet
{
    private const string ByPath = "Path";
    private const string ByVm = "Vm";

    /// <summary>
    /// Image files on the source host: absolute paths, or relative to its datastore. For a host of this process, a path that begins with ./
    /// or ../ is relative to the session's location.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByPath, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [Alias("FullName", "SourcePath")]
    public string[] Path { get; set; } = [];

    /// <summary>The host that has the disks, by name or as an object.</summary>
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = ByPath)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    [Alias("HostName", "SourceHostName")]
    public MigrationHostReference SourceHost { get; set; } = null!;

    /// <summary>VM objects whose disks are meant, as Get-MigrationVm writes them. Read-only disks are copied too.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByVm, ValueFromPipeline = true)]
    public MigrationVm[] Vm { get; set; } = [];

    /// <summary>The host they are copied to, by name or as an object; the source host itself with another path is one, too.</summary>
    [Parameter(Mandatory = true, Position = 2, ParameterSetName = ByPath, ValueFromPipelineByPropertyName = true)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByVm)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    [Alias("DestinationHostName")]
    public MigrationHostReference DestinationHost { get; set; } = null!;

    /// <summary>
    /// Where the disk is to lie there: an absolute path, or one relative to the host's datastore; one that ends with / is a directory.
    /// Without it, in the datastore under the file's name at the source.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? DestinationPath { get; set; }

    /// <summary>
    /// Format at the destination. Without it the file is copied as it is, byte for byte. Any format, the source's own too, reads what is
    /// inside the image and writes it into a new one, overlays flattened; that needs qemu-nbd and qemu-img.
    /// </summary>
    [Parameter]
    public DiskFormat? DestinationFormat { get; set; }

    /// <summary>Leave a fragment of an earlier transfer alone and send everything.</summary>
    [Parameter]
    public SwitchParameter NoFragment { get; set; }

    /// <summary>Starts the transfer of each chosen disk.</summary>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == ByPath)
        {
            foreach (string path in Path) Start(path, SourceHost.Name, path, (Engine.Disks.DiskFormat?)DestinationFormat);
            return;
        }

        foreach (MigrationVm vm in Vm)
        {
            foreach (LocatedVm found in AttemptSearch(vm, token => VmLookup.FindByIdAsync(vm.Id, null, token))) StartDisksOf(found, vm);
        }
    }

    private void StartDisksOf(LocatedVm vm, MigrationVm target)
    {
        IReadOnlyList<QemuDisk> disks = vm.Vm.Specification.Qemu?.Disks ?? [];
        if (disks.Count == 0)
        {
            WriteError(MigrationError.ToRecord(
                new(MigrationErrorReason.InvalidArgument, $"VM '{vm.Name}' on {vm.Host.Name} has no disks that its host knows of.",
                    "Name the image files themselves: Start-DiskTransfer -Path … -SourceHost …"), target));
            return;
        }

        foreach (QemuDisk disk in disks)
        {
            // An overlay that a migration left would arrive without what is below it: the two go as one image.
            Engine.Disks.DiskFormat? format = (Engine.Disks.DiskFormat?)DestinationFormat ?? (disk.Base is { } image ? FormatOf(image) : null);
            Start(target, vm.Host.Name, disk.Path, format);
        }
    }

    private void Start(object target, string sourceName, string path, Engine.Disks.DiskFormat? format)
    {
        // Here, for paths are resolved by the session, which only the pipeline thread may ask.
        string sourcePath = HostFiles.NameDisk(sourceName, path, GetUnresolvedProviderPathFromPSPath);
        string? destinationPath = DestinationPath is null ? null : DestinationPathOf(sourcePath);
        if (!ShouldProcess($"{path} on {sourceName}", $"Copy to {DestinationHost}{(destinationPath is null ? "" : $" as {destinationPath}")}")) return;
        Engine.Disks.DiskTransferOptions options = OptionsOver(new()) with { DestinationFormat = format, UseFragment = !NoFragment };
        Begin(target, () => HostRegistry.Get(sourceName), (source, token) => DiskTransferBroker.StartAsync(
            source, sourcePath, HostRegistry.Get(DestinationHost.Name), destinationPath, options, ChosenPath, token));
    }

    private string DestinationPathOf(string sourcePath)
    {
        string path = DestinationPath!.EndsWith('/') ? DestinationPath + System.IO.Path.GetFileName(sourcePath) : DestinationPath;
        return HostFiles.NameDisk(DestinationHost.Name, path, GetUnresolvedProviderPathFromPSPath);
    }

    private static Engine.Disks.DiskFormat FormatOf(QemuDiskBase image) =>
        image.Format == "qcow2" ? Engine.Disks.DiskFormat.Qcow2 : Engine.Disks.DiskFormat.Raw;
}
