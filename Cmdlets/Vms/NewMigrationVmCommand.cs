using System.Management.Automation;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Hypervisors.Qemu;

namespace VmMigration.Cmdlets;

/// <summary>Defines a VM on a host; it is stopped.</summary>
/// <example>
/// <code>New-MigrationVm web01 -HostName kvm01 -MemoryBytes 256MB -Program HotSetWriter | Start-MigrationVm</code>
/// <para>Makes and boots a VM of the embedded hypervisor that writes memory all the time.</para>
/// </example>
/// <example>
/// <code>New-MigrationVm web02 -HostName kvm01 -MemoryBytes 2GB -VcpuCount 2 -Disk /vm/web02.qcow2 -Network User</code>
/// <para>Makes a QEMU VM that boots from a disk image.</para>
/// </example>
/// <example>
/// <code>New-MigrationVm demo -HostName kvm01 -MemoryBytes 1GB -DemoGuest -FillBytes 464MB -RewriteBytes 64MB</code>
/// <para>Makes a Linux guest from the distribution's kernel and busybox that fills and rewrites memory.</para>
/// </example>
[Cmdlet(VerbsCommon.New, "MigrationVm", DefaultParameterSetName = Embedded, SupportsShouldProcess = true)]
[OutputType(typeof(MigrationVm))]
public sealed class NewMigrationVmCommand : MigrationCmdlet
{
    private const string Embedded = "Embedded";
    private const string Qemu = "Qemu";
    private const string QemuKernel = "QemuKernel";
    private const string Demo = "DemoGuest";

    /// <summary>Name, unique on the host: 1 to 64 of A-Z a-z 0-9 . _ - starting with a letter or digit.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string Name { get; set; } = null!;

    /// <summary>The host to make the VM on, by name or as an object.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public MigrationHostReference HostName { get; set; } = null!;

    /// <summary>RAM in bytes, a multiple of 2 MiB; for example 1GB.</summary>
    [Parameter(Mandatory = true, Position = 2, ValueFromPipelineByPropertyName = true)]
    [ValidateRange(1, long.MaxValue)]
    public long MemoryBytes { get; set; }

    /// <summary>Number of virtual CPUs, 1 to 64.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateRange(1, 64)]
    public int VcpuCount { get; set; } = 1;

    /// <summary>
    /// Pages the RAM is on: BasePages of 4 KiB, the default, TransparentHugePages of 2 MiB where the kernel has some, or HugeTlb, which
    /// takes reserved ones (QEMU only). Where the host cannot give them, Get-LargePage says why.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public MemoryBacking MemoryBacking { get; set; } = MemoryBacking.BasePages;

    /// <summary>The program each vCPU of an embedded VM runs.</summary>
    [Parameter(ParameterSetName = Embedded)]
    public GuestProgramKind Program { get; set; } = GuestProgramKind.SequentialWriter;

    /// <summary>Seed of the program's random numbers: equal seeds make equal memory.</summary>
    [Parameter(ParameterSetName = Embedded)]
    public ulong Seed { get; set; } = 1;

    /// <summary>Memory the program writes, in bytes from the start of RAM; 0 means all of it.</summary>
    [Parameter(ParameterSetName = Embedded)]
    [ValidateRange(0, long.MaxValue)]
    public long WorkingSetBytes { get; set; }

    /// <summary>Most steps a second and vCPU; 0 means as fast as it goes.</summary>
    [Parameter(ParameterSetName = Embedded)]
    [ValidateRange(0, long.MaxValue)]
    public long StepsPerSecond { get; set; }

    /// <summary>
    /// How many of the vCPUs arm write traces themselves and stand meanwhile; 0, the default, leaves it to a thread of the engine. For
    /// measuring what arming costs a guest.
    /// </summary>
    [Parameter(ParameterSetName = Embedded)]
    [ValidateRange(0, 64)]
    public int TraceArmingVcpus { get; set; }

    /// <summary>
    /// Time a first write to traced memory takes the guest at least, at most 1ms: seconds, 0.002ms or a TimeSpan. A fault of a real guest
    /// takes some microseconds.
    /// </summary>
    [Parameter(ParameterSetName = Embedded)]
    [Duration]
    public TimeSpan TraceFaultTime { get; set; }

    /// <summary>Kernel image to boot directly. Without it the VM boots from disk.</summary>
    [Parameter(Mandatory = true, ParameterSetName = QemuKernel)]
    [ValidateNotNullOrEmpty]
    public string? KernelPath { get; set; }

    /// <summary>Initramfs for the kernel.</summary>
    [Parameter(ParameterSetName = QemuKernel)]
    [ValidateNotNullOrEmpty]
    public string? InitrdPath { get; set; }

    /// <summary>Kernel command line.</summary>
    [Parameter(ParameterSetName = QemuKernel)]
    public string? KernelCommandLine { get; set; }

    /// <summary>
    /// Disks: paths, or hashtables with Path, Format and ReadOnly; on storage both hosts reach under the same path, unless they are to move
    /// with the VM. Paths for a host of an agent are those of its machine; write them in full.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = Qemu)]
    [Parameter(ParameterSetName = QemuKernel)]
    [Parameter(ParameterSetName = Demo)]
    public VmDisk[] Disk { get; set; } = [];

    /// <summary>The network card's connection.</summary>
    [Parameter(ParameterSetName = Qemu)]
    [Parameter(ParameterSetName = QemuKernel)]
    public QemuNetwork Network { get; set; } = QemuNetwork.None;

    /// <summary>What executes the guest's instructions; Auto takes KVM where it really runs.</summary>
    [Parameter(ParameterSetName = Qemu)]
    [Parameter(ParameterSetName = QemuKernel)]
    [Parameter(ParameterSetName = Demo)]
    public QemuAccelerator Accelerator { get; set; } = QemuAccelerator.Auto;

    /// <summary>QEMU machine type.</summary>
    [Parameter(ParameterSetName = Qemu)]
    [Parameter(ParameterSetName = QemuKernel)]
    [ValidateNotNullOrEmpty]
    public string MachineType { get; set; } = "q35";

    /// <summary>Further QEMU arguments, passed on as they are.</summary>
    [Parameter(ParameterSetName = Qemu)]
    [Parameter(ParameterSetName = QemuKernel)]
    public string[] ExtraArgument { get; set; } = [];

    /// <summary>Make a Linux guest from the distribution's kernel and busybox.</summary>
    [Parameter(Mandatory = true, ParameterSetName = Demo)]
    public SwitchParameter DemoGuest { get; set; }

    /// <summary>Memory in bytes that holds random data in the demo guest, a multiple of 1MB. The default is 464MB.</summary>
    [Parameter(ParameterSetName = Demo)]
    [ValidateRange(0, long.MaxValue)]
    public long? FillBytes { get; set; }

    /// <summary>
    /// The part of it in bytes that the demo guest rewrites in a loop, a multiple of 1MB, at most half. The default is 64MB.
    /// </summary>
    [Parameter(ParameterSetName = Demo)]
    [ValidateRange(0, long.MaxValue)]
    public long? RewriteBytes { get; set; }

    /// <summary>Defines the VM.</summary>
    protected override void ProcessRecord()
    {
        if (!ShouldProcess($"{Name} on {HostName}", "Define VM")) return;
        // Here, for paths are resolved by the session, which only the pipeline thread may ask.
        QemuDisk[] disks = [.. Disk.Select(disk => new QemuDisk(ToFilePath(disk.Path)!, disk.Format, disk.ReadOnly))];
        QemuGuest? qemu = ParameterSetName is Qemu or QemuKernel ? SpecifyQemu(disks) : null;
        VmDescription? vm = Attempt(Name, async token =>
        {
            IMigrationHost host = HostRegistry.Get(HostName.Name);
            var specification = new VmSpecification
            {
                Name = Name,
                MemoryBytes = MemoryBytes,
                VcpuCount = VcpuCount,
                Backing = (Engine.Hypervisors.MemoryBacking)MemoryBacking,
                Embedded = ParameterSetName == Embedded ? SpecifyEmbedded() : null,
                Qemu = DemoGuest ? await BuildDemoGuestAsync(host, disks, token).ConfigureAwait(false) : qemu,
            };
            return await host.CreateVmAsync(specification, token).ConfigureAwait(false);
        });
        if (vm is not null) WriteObject(MigrationVm.From(vm));
    }

    private EmbeddedGuest SpecifyEmbedded() => new()
    {
        Program = (Engine.Hypervisors.Embedded.GuestProgramKind)Program,
        Seed = Seed,
        WorkingSetBytes = WorkingSetBytes,
        StepsPerSecond = StepsPerSecond,
        TraceArmingVcpus = TraceArmingVcpus,
        TraceFaultTime = TraceFaultTime,
    };

    private QemuGuest SpecifyQemu(QemuDisk[] disks) => new()
    {
        MachineType = MachineType,
        Accelerator = (Engine.Hypervisors.Qemu.QemuAccelerator)Accelerator,
        KernelPath = ToFilePath(KernelPath),
        InitrdPath = ToFilePath(InitrdPath),
        KernelCommandLine = KernelCommandLine,
        Disks = disks,
        Network = (Engine.Hypervisors.Qemu.QemuNetwork)Network,
        ExtraArguments = ExtraArgument,
    };

    private async Task<QemuGuest> BuildDemoGuestAsync(IMigrationHost host, QemuDisk[] disks, CancellationToken cancellationToken)
    {
        await HostFiles.RequireThisMachineAsync(host, "-DemoGuest",
            "Make the VM from a kernel and disks of that machine: -KernelPath, -InitrdPath, -Disk.", cancellationToken).ConfigureAwait(false);
        var demo = new QemuDemoGuest();
        demo = demo with { FillBytes = FillBytes ?? demo.FillBytes, RewriteBytes = RewriteBytes ?? demo.RewriteBytes };
        QemuGuest guest = await demo.BuildAsync(DemoGuestCache.Directory, cancellationToken).ConfigureAwait(false);
        return guest with { Accelerator = (Engine.Hypervisors.Qemu.QemuAccelerator)Accelerator, Disks = disks };
    }

    private string? ToFilePath(string? path) => HostFiles.Name(HostName.Name, path, GetUnresolvedProviderPathFromPSPath);
}
