using System.Management.Automation;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>Checks whether and how VMs can move to another host. Changes nothing.</summary>
/// <remarks>The report can be piped into Start-VmMigration, which then migrates with the options the check was made with.</remarks>
/// <example>
/// <code>Test-VmMigration web01 -DestinationHost kvm02 | Select-Object -ExpandProperty Findings</code>
/// <para>Lists what was found.</para>
/// </example>
/// <example>
/// <code>Test-VmMigration web* -DestinationHost kvm02 -VerifyMemory | Where-Object CanMigrate | Start-VmMigration -Wait</code>
/// <para>Migrates those VMs that can.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "VmMigration", DefaultParameterSetName = ByName)]
[OutputType(typeof(PreflightReport))]
public sealed class TestVmMigrationCommand : VmMigrationRequestCmdlet
{
    private protected override void ProcessVm(LocatedVm vm, object target)
    {
        MigrationOptions options = OptionsOver(new MigrationOptions());
        Engine.Migration.PreflightReport? report = Attempt(target, token =>
            MigrationBroker.CheckAsync(vm.Host, vm.Id, HostRegistry.Get(DestinationHost.Name), options, PathOver(null), token));
        if (report is not null) WriteObject(PreflightReport.From(report, options) with { Path = Path, GatewayHost = GatewayHost });
    }
}
