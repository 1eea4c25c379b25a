using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class MigrationHostTests : IDisposable
{
    private readonly ModuleSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void A_new_host_describes_itself_and_is_found_by_name()
    {
        MigrationHost made = session.RunClean("New-MigrationHost -Name $a").Single<MigrationHost>();
        Assert.Equal(session.HostA, made.Name);
        Assert.Equal(HostKind.Local, made.Kind);
        Assert.InRange(made.AvailableMemoryBytes, 1, made.MemoryBytes);
        Assert.True(Directory.Exists(made.StateDirectory));
        Assert.Contains(made.Hypervisors, entry => entry is { Hypervisor: HypervisorKind.Embedded, IsAvailable: true });
        Assert.Equal(made.Endpoint, session.RunClean("Get-MigrationHost $a.ToUpper()").Single<MigrationHost>().Endpoint);
    }

    [Fact]
    public void A_host_has_a_datastore_that_a_demo_disk_can_be_put_into()
    {
        MigrationHost made = session.RunClean("New-MigrationHost $a -DemoDiskBytes 20000001 -FragmentAgeLimit 48h -FragmentBytesLimit 1GB")
            .Single<MigrationHost>();
        var disk = new FileInfo(Path.Combine(made.DatastoreDirectory, "demo.raw"));
        Assert.Equal(20000001, disk.Length);
        using FileStream contents = disk.OpenRead();
        byte[] extent = new byte[16 << 20];
        contents.ReadExactly(extent);
        Assert.Equal(-1, extent.AsSpan(8 << 20).IndexOfAnyExcept((byte)0));
        Assert.NotEqual(-1, extent.AsSpan(0, 4096).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void A_datastore_is_where_it_is_said_to_be_and_a_demo_disk_in_it_is_not_made_twice()
    {
        string directory = Directory.CreateTempSubdirectory("vm-migration-").FullName;
        try
        {
            string made = session.RunClean($"(New-MigrationHost $a -DatastorePath '{directory}' -DemoDiskBytes 1MB).DatastoreDirectory").Single<string>();
            Assert.Equal(directory, made);
            DateTime written = File.GetLastWriteTimeUtc(Path.Combine(directory, "demo.raw"));
            session.RunClean($"New-MigrationHost $b -DatastorePath '{directory}' -DemoDiskBytes 1MB");
            Assert.Equal(written, File.GetLastWriteTimeUtc(Path.Combine(directory, "demo.raw")));
            ErrorRecord error = session.RunFailing($"New-MigrationHost $c -DatastorePath '{directory}' -DemoDiskBytes 2MB");
            Assert.StartsWith("InvalidState", error.FullyQualifiedErrorId, StringComparison.Ordinal);
            Assert.Empty(session.RunClean("Get-MigrationHost \"$c*\"").Output);
        }
        finally
        {
            session.RunClean("Disconnect-MigrationHost \"*-$s\" -Force");
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public void WhatIf_opens_nothing()
    {
        Assert.Empty(session.RunClean("New-MigrationHost $a -WhatIf").Output);
        Assert.Contains(session.HostA, session.Host.Screen.TakeText());
        Assert.Empty(session.RunClean("Get-MigrationHost *-$s").Output);
    }

    [Fact]
    public void Wildcards_select_and_a_plain_name_must_exist()
    {
        session.RunClean("$a, $b | New-MigrationHost");
        Assert.Equal(2, session.RunClean("Get-MigrationHost *-$s").Output.Count);
        Assert.Equal(session.HostB, session.RunClean("Get-MigrationHost b-$s*").Single<MigrationHost>().Name);
        Assert.Empty(session.RunClean("Get-MigrationHost nothing-$s*").Output);
        ErrorRecord error = session.RunFailing("Get-MigrationHost $c");
        Assert.Equal("HostNotFound,VmMigration.Cmdlets.GetMigrationHostCommand", error.FullyQualifiedErrorId);
        Assert.Equal(ErrorCategory.ObjectNotFound, error.CategoryInfo.Category);
        Assert.Contains("New-MigrationHost", error.ErrorDetails.RecommendedAction);
    }

    [Fact]
    public void Objects_are_snapshots_that_Get_refreshes()
    {
        ScriptOutcome outcome = session.RunClean("$made = New-MigrationHost $a; $made; $made | Get-MigrationHost");
        Assert.NotSame(outcome.Output[0], outcome.Output[1]);
        Assert.Equal(((MigrationHost)outcome.Output[0]).StateDirectory, ((MigrationHost)outcome.Output[1]).StateDirectory);
    }

    [Fact]
    public void A_name_is_taken_once_whatever_its_case()
    {
        session.RunClean("New-MigrationHost $a");
        ErrorRecord error = session.RunFailing("New-MigrationHost $a.ToUpper()");
        Assert.StartsWith("InvalidState", error.FullyQualifiedErrorId);
        Assert.Contains("Disconnect-MigrationHost", error.ErrorDetails.RecommendedAction);
    }

    [Theory]
    [InlineData("'with space'")]
    [InlineData("'sl/ash'")]
    [InlineData("('x' * 65)")]
    public void A_name_that_is_none_is_refused_at_the_parameter(string name)
    {
        ErrorRecord error = session.RunFailing($"New-MigrationHost {name}");
        Assert.StartsWith("ParameterArgumentValidationError", error.FullyQualifiedErrorId);
        Assert.Contains("is no host name", error.Exception.Message);
    }

    [Fact]
    public void A_host_keeps_the_directory_it_was_given_and_finds_its_VMs_there_again()
    {
        string directory = Directory.CreateTempSubdirectory("vm-migration-test").FullName;
        try
        {
            ScriptOutcome outcome = session.RunClean($"""
                $null = New-MigrationHost $a -StateDirectory '{directory}'
                $null = New-MigrationVm $vm $a 16MB
                Disconnect-MigrationHost $a
                $null = New-MigrationHost $a -StateDirectory '{directory}'
                Get-MigrationVm $vm -HostName $a | ForEach-Object State
                Disconnect-MigrationHost $a
                """);
            Assert.Equal(VmState.Stopped, outcome.Single<VmState>());
            Assert.NotEmpty(Directory.GetFileSystemEntries(directory));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public void Test_says_what_each_hypervisor_lacks()
    {
        session.RunClean("New-MigrationHost $a");
        IReadOnlyList<HostCheck> checks = session.RunClean("Test-MigrationHost $a").All<HostCheck>();
        Assert.Equal(["Embedded", "Qemu", "Memory", "Link"], checks.Select(check => check.Check).Take(4));
        Assert.All(checks, check => Assert.NotEmpty(check.Message));
        Assert.True(checks[0].Passed);
    }

    [Fact]
    public void A_host_that_demands_TLS_shows_it_and_sends_its_VMs_inside_it()
    {
        ScriptOutcome outcome = session.RunClean("""
            $a, $b | New-MigrationHost -LinkSecurity Tls | ForEach-Object LinkSecurity
            (Test-MigrationHost $a | Where-Object Check -eq Link).Message
            New-MigrationVm $vm $a 16MB -StepsPerSecond 1000 | Start-MigrationVm
            (Start-VmMigration $vm $b -VerifyMemory -Wait).Result.LinkSecurity
            """);
        Assert.Equal([LinkSecurity.Tls, LinkSecurity.Tls, "VMs travel over TLS 1.3.", LinkSecurity.Tls], outcome.Output);
    }

    [Fact]
    public void A_host_on_loopback_is_plain_unless_asked_and_takes_no_VM_of_one_that_demands_TLS()
    {
        session.RunClean("""
            $null = New-MigrationHost $a -LinkSecurity Tls
            $null = New-MigrationHost $b
            New-MigrationVm $vm $a 16MB -StepsPerSecond 1000 | Start-MigrationVm
            """);
        Assert.Equal(LinkSecurity.Plain, session.RunClean("Get-MigrationHost $b").Single<MigrationHost>().LinkSecurity);
        Assert.StartsWith("PreflightFailed,", session.RunFailing("Start-VmMigration $vm $b").FullyQualifiedErrorId);
    }

    [Fact]
    public void Test_Quiet_answers_one_question()
    {
        session.RunClean("New-MigrationHost $a");
        Assert.True(session.RunClean("Test-MigrationHost $a -Hypervisor Embedded -Quiet").Single<bool>());
        Assert.False(session.RunClean("Test-MigrationHost $a -Hypervisor Embedded -RequiredMemoryBytes 1PB -Quiet").Single<bool>());
    }

    [Fact]
    public void Disconnect_forgets_the_host_and_removes_its_own_directory()
    {
        MigrationHost made = session.RunClean("New-MigrationHost $a").Single<MigrationHost>();
        session.RunClean("Disconnect-MigrationHost $a -WhatIf");
        Assert.Single(session.RunClean("Get-MigrationHost $a").Output);
        session.RunClean("Get-MigrationHost $a | Disconnect-MigrationHost");
        Assert.Empty(session.RunClean("Get-MigrationHost *-$s").Output);
        Assert.False(Directory.Exists(made.StateDirectory));
    }

    [Fact]
    public void Disconnect_does_not_end_running_embedded_VMs_unasked()
    {
        session.RunClean("$null = New-MigrationHost $a; New-MigrationVm $vm $a 16MB -StepsPerSecond 1000 | Start-MigrationVm");
        ErrorRecord error = session.RunFailing("Disconnect-MigrationHost $a");
        Assert.StartsWith("InvalidState", error.FullyQualifiedErrorId);
        Assert.Contains(session.VmName, error.Exception.Message);
        Assert.Equal(VmState.Running, session.RunClean("Get-MigrationVm $vm").Single<MigrationVm>().State);
        session.RunClean("Disconnect-MigrationHost $a -Force");
        Assert.Empty(session.RunClean("Get-MigrationHost *-$s").Output);
    }
}
