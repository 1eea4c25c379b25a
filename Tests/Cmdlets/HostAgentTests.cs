using System.Management.Automation;
using System.Security.Cryptography.X509Certificates;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

/// <summary>
/// Connect, migrate, disconnect: with two agents in processes of their own, certificates made by the module, and TLS between all of them.
/// </summary>
[Collection(nameof(HostAgentTests))]
[CollectionDefinition(nameof(HostAgentTests), DisableParallelization = true)]
public sealed class HostAgentTests(HostAgentPair agents) : IClassFixture<HostAgentPair>, IDisposable
{
    private readonly ModuleSession session = agents.Session;

    public void Dispose() => agents.Clear();

    [Fact]
    public void Connect_migrate_disconnect()
    {
        MigrationHost connected = session.RunClean("Connect-MigrationHost $uriA -Certificate $admin.Certificate").Single<MigrationHost>();
        Assert.Equal((session.HostA, HostKind.Agent, agents.First.Uri), (connected.Name, connected.Kind, connected.Uri));
        session.RunClean("$uriB | Connect-MigrationHost -Certificate $admin -KeyPath $admin.KeyPath -CertificateAuthority $admin.CertificateAuthority");
        ScriptOutcome outcome = session.RunClean("""
            New-MigrationVm $vm $a 16MB -Program HotSetWriter -StepsPerSecond 2000 | Start-MigrationVm
            (Test-VmMigration $vm $b).CanMigrate
            $migration = Start-VmMigration $vm $b -VerifyMemory -Wait
            $migration.State; $migration.Result.MemoryVerified
            (Get-MigrationVm $vm).HostName
            Get-MigrationHost *-$s | Disconnect-MigrationHost
            @(Get-MigrationHost *-$s).Count
            """);
        Assert.Equal([true, MigrationState.Completed, true, session.HostB, 0], outcome.Output);
        // Nothing ended with the connection.
        session.RunClean("$admin | Connect-MigrationHost -Uri $uriB");
        MigrationVm vm = session.RunClean("Get-MigrationVm $vm").Single<MigrationVm>();
        Assert.Equal((session.HostB, VmState.Running), (vm.HostName, vm.State));
    }

    [Fact]
    public void A_migration_goes_on_without_the_session_that_started_it()
    {
        agents.Connect();
        ScriptOutcome outcome = session.RunClean("""
            New-MigrationVm $vm $a 32MB -Program HotSetWriter -StepsPerSecond 2000 | Start-MigrationVm
            $migration = Start-VmMigration $vm $b -MaxBytesPerSecond 16MB
            Disconnect-MigrationHost $a, $b
            $null = $uriA, $uriB | Connect-MigrationHost -Certificate $admin
            ($migration | Wait-VmMigration -Timeout 1min).State
            (Get-MigrationVm $vm).HostName
            """);
        Assert.Equal([MigrationState.Completed, session.HostB], outcome.Output);
    }

    [Fact]
    public void One_name_on_two_agents_means_both_and_a_host_name_chooses()
    {
        agents.Connect();
        session.RunClean("$a, $b | ForEach-Object { New-MigrationVm $vm $_ 16MB }");
        Assert.Equal(2, session.RunClean("Get-MigrationVm $vm").Output.Count);
        session.RunClean("Start-MigrationVm $vm -HostName $b");
        ScriptOutcome outcome = session.RunClean("Get-MigrationVm $vm | ForEach-Object { \"$($_.HostName) $($_.State)\" }");
        Assert.Equal([$"{session.HostA} Stopped", $"{session.HostB} Running"], outcome.All<string>());
    }

    [Fact]
    public void A_certificate_object_and_a_socket_do_as_well()
    {
        using X509Certificate2 certificate = X509Certificate2.CreateFromPemFile($"{agents.DirectoryPath}/pki/admin.crt", $"{agents.DirectoryPath}/pki/admin.key");
        session.Runspace.SessionStateProxy.SetVariable("certificate", certificate);
        session.RunClean("$null = Connect-MigrationHost $uriA $certificate -CertificateAuthority $pki/ca.crt -Name $a; Disconnect-MigrationHost $a");
        MigrationHost connected = session.RunClean($"Connect-MigrationHost {agents.First.Socket}").Single<MigrationHost>();
        Assert.Equal((session.HostA, "unix"), (connected.Name, connected.Uri!.Scheme));
    }

    [Theory]
    [InlineData("", "InvalidArgument")]
    [InlineData("-CertificateAuthority $pki/ca.crt", "InvalidArgument")]
    [InlineData("-Certificate (New-MigrationHostCertificate admin ${pki}2 -Purpose Client) -CertificateAuthority $pki/ca.crt", "AccessDenied")]
    [InlineData("-Certificate (New-MigrationHostCertificate admin ${pki}2 -Purpose Client)", "AccessDenied")]
    [InlineData("-Certificate $pki/none.crt", "InvalidArgument")]
    [InlineData("-Certificate $admin -Name other", "InvalidArgument")]
    [InlineData("-CertificateThumbprint 00112233", "InvalidArgument")]
    public void Nobody_is_connected_whom_the_other_side_does_not_know(string arguments, string reason)
    {
        ErrorRecord error = session.RunFailing($"Connect-MigrationHost $uriA {arguments}");
        Assert.Equal($"{reason},VmMigration.Cmdlets.ConnectMigrationHostCommand", error.FullyQualifiedErrorId);
        Assert.NotEmpty(error.ErrorDetails.RecommendedAction);
        Assert.Empty(session.RunClean("Get-MigrationHost *-$s").Output);
        agents.Connect();
    }

    [Fact]
    public void Test_looks_at_the_connection_the_certificates_and_the_versions()
    {
        agents.Connect();
        Dictionary<string, HostCheck> checks = session.RunClean("Test-MigrationHost $a").All<HostCheck>().ToDictionary(check => check.Check);
        Assert.All(["Connection", "Certificate", "Version", "Link", "Memory", "Embedded"], name => Assert.True(checks[name].Passed, name));
        Assert.Contains("answers in", checks["Connection"].Message);
        Assert.Contains("admin", checks["Certificate"].Message);
        Assert.True(session.RunClean("Test-MigrationHost $a -Hypervisor Embedded -Quiet").Single<bool>());
    }

    [Fact]
    public void The_views_fit()
    {
        agents.Connect();
        string text = session.Render("Get-MigrationHost $a, $b; Test-MigrationHost $a");
        Assert.All(["Agent", "https://127.0.0.1:", "Uri", "Link"], essential => Assert.Contains(essential, text));
        Assert.All(text.Split('\n'), line => Assert.InRange(line.Length, 0, CapturingHost.Columns));
    }
}
