using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

/// <summary>The path parameters of the cmdlets that check and start migrations.</summary>
public sealed class MigrationOverPathTests : IDisposable
{
    private readonly ModuleSession session = ModuleSession.WithRunningVm();

    public void Dispose() => session.Dispose();

    [Fact]
    public void A_migration_without_a_path_says_it_took_the_ordinary_network()
    {
        VmMigrationResult result = session.RunClean("(Start-VmMigration $vm $b -Path Direct -Wait).Result").Single<VmMigrationResult>();
        Assert.Equal((MobilityPathKind.Direct, (TimeSpan?)null), (result.PathKind, result.PathSetup));
    }

    [Fact]
    public void A_report_keeps_the_path_it_was_made_with_and_a_start_from_it_asks_for_that_path()
    {
        PreflightReport report = session.RunClean("$report = Test-VmMigration $vm $b -Path Nat; $report").Single<PreflightReport>();
        Assert.Equal(MobilityPathKind.Nat, report.Path!.Kind);
        Assert.False(report.CanMigrate);
        Assert.Contains("gateway", session.RunFailing("$report | Start-VmMigration").Exception.Message, StringComparison.OrdinalIgnoreCase);
        session.RunClean("$report | Start-VmMigration -Path Direct -Wait");
        Assert.Equal(session.HostB, session.RunClean("Get-MigrationVm $vm").Single<MigrationVm>().HostName);
    }

    [Fact]
    public void A_gateway_without_a_path_over_it_is_refused()
    {
        ErrorRecord error = session.RunFailing("Start-VmMigration $vm $b -GatewayHost $a");
        Assert.StartsWith("InvalidArgument", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains("-Path Nat", error.ErrorDetails.RecommendedAction);
    }

    [Fact]
    public void A_path_that_nobody_has_is_an_error_and_the_VM_stays()
    {
        ErrorRecord error = session.RunFailing($"Start-VmMigration $vm $b -Path {Guid.NewGuid()}");
        Assert.NotEmpty(error.Exception.Message);
        Assert.Equal(session.HostA, session.RunClean("Get-MigrationVm $vm").Single<MigrationVm>().HostName);
    }

    [Fact]
    public void What_is_no_path_is_refused_at_the_parameter() => Assert.Contains(
        "is no mobility path", session.RunFailing("Start-VmMigration $vm $b -Path tunnel").Exception.ToString());
}
