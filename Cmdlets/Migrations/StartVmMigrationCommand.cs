using System.Management.Automation;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>Live-migrates VMs to another host.</summary>
/// <remarks>
/// Writes a handle at once; the source host drives the migration, so it goes on whatever becomes of this pipeline. With -Wait the cmdlet
/// shows progress and writes the migrations as they complete, with their results; Ctrl+C then ends only the waiting, or with -CancelOnStop
/// the migrations too, as a runbook's step does. Stop-VmMigration cancels a migration. A VM that comes down the pipeline several times, as
/// with the poisoned pages of a host, is migrated once. With -Postcopy a broken link may leave a migration standing still: that ends the
/// waiting with an error, and Resume-VmMigration goes on.
/// </remarks>
/// <example>
/// <code>Start-VmMigration web01 -DestinationHost kvm02 -VerifyMemory -Wait</code>
/// <para>Migrates a VM, compares its memory on both sides and waits for the end.</para>
/// </example>
/// <example>
/// <code>Get-MigrationVm -HostName kvm01 | Start-VmMigration -DestinationHost kvm02 | Wait-VmMigration -Timeout 10min</code>
/// <para>Empties a host.</para>
/// </example>
/// <example>
/// <code>Start-VmMigration web01 kvm02 -Path Nat -GatewayHost gw01 -Wait</code>
/// <para>Migrates over a gateway; neither host learns the other's address.</para>
/// </example>
/// <example>
/// <code>$job = Start-VmMigration web01 kvm02 -AsJob; Stop-Job $job</code>
/// <para>Migrates as a job; stopping the job cancels the migration.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Start, "VmMigration", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(VmMigrationOperation), typeof(Job))]
public sealed class StartVmMigrationCommand : VmMigrationRequestCmdlet
{
    private const string ByReport = "Report";

    private readonly HashSet<Guid> named = [];
    private StartedOperations started = null!;

    /// <summary>The report of Test-VmMigration. Options given here as well go before the report's.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByReport, ValueFromPipeline = true)]
    public PreflightReport Report { get; set; } = null!;

    /// <summary>Show progress until the migrations have ended, and write those that completed.</summary>
    [Parameter]
    public SwitchParameter Wait { get; set; }

    /// <summary>
    /// With -Wait: cancel the migrations where the pipeline is stopped before they have ended; the VMs run on at their source hosts.
    /// </summary>
    [Parameter]
    public SwitchParameter CancelOnStop { get; set; }

    /// <summary>Write a job for each migration, for Wait-Job, Receive-Job and Stop-Job.</summary>
    [Parameter]
    public SwitchParameter AsJob { get; set; }

    /// <summary>Refuses switches that exclude each other.</summary>
    protected override void BeginProcessing()
    {
        started = new(this) { AsJob = AsJob, Wait = Wait, CancelOnStop = CancelOnStop };
        started.RequireOneWay();
    }

    /// <summary>Starts the migration of each chosen VM.</summary>
    protected override void ProcessRecord()
    {
        if (ParameterSetName != ByReport)
        {
            base.ProcessRecord();
            return;
        }

        IReadOnlyList<LocatedVm> vms = AttemptSearch(
            Report, token => VmLookup.FindByIdAsync(Report.VmId, [new MigrationHostReference(Report.SourceHostName)], token));
        foreach (LocatedVm vm in vms) Start(vm, Report, Report.DestinationHostName, OptionsOver(Report.Options.ToEngine()), Report);
    }

    /// <summary>Waits for what was started, where that was asked for.</summary>
    protected override void EndProcessing() => started.Finish();

    private protected override void ProcessVm(LocatedVm vm, object target) =>
        Start(vm, target, DestinationHost.Name, OptionsOver(new MigrationOptions()), report: null);

    private void Start(LocatedVm vm, object target, string destinationName, MigrationOptions options, PreflightReport? report)
    {
        if (!named.Add(vm.Id)) return;
        if (!ShouldProcess(vm.Title, $"Live-migrate to {destinationName}")) return;
        MigrationStatus? status = Attempt(target, token =>
            MigrationBroker.StartAsync(vm.Host, vm.Id, HostRegistry.Get(destinationName), options, PathOver(report), token));
        if (status is not null) started.Add(new LocatedMigration(vm.Host, status));
    }
}
