using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class MigrationVmTests : IDisposable
{
    private readonly ModuleSession session = ModuleSession.WithHosts();

    public void Dispose() => session.Dispose();

    [Fact]
    public void A_new_VM_is_stopped_and_is_as_it_was_asked_for()
    {
        MigrationVm vm = session.RunClean(
            "New-MigrationVm -Name $vm -HostName $a -MemoryBytes 32MB -VcpuCount 2 -Program Checksum -Seed 7 -WorkingSetBytes 4MB -StepsPerSecond 10")
            .Single<MigrationVm>();
        Assert.Equal(session.VmName, vm.Name);
        Assert.Equal(session.HostA, vm.HostName);
        Assert.Equal(VmState.Stopped, vm.State);
        Assert.Equal(HypervisorKind.Embedded, vm.Hypervisor);
        Assert.Equal(GuestProgramKind.Checksum, vm.Program);
        Assert.Equal(32 << 20, vm.MemoryBytes);
        Assert.Equal(2, vm.VcpuCount);
    }

    [Fact]
    public void A_host_is_taken_as_a_name_as_an_object_and_from_the_pipeline()
    {
        session.RunClean("""
            $null = New-MigrationVm x1-$s $a 16MB
            $null = New-MigrationVm x2-$s (Get-MigrationHost $a) 16MB
            $null = Get-MigrationHost $a | New-MigrationVm x3-$s -MemoryBytes 16MB
            """);
        Assert.Equal(3, session.RunClean("Get-MigrationHost $a | Get-MigrationVm").Output.Count);
        Assert.Equal(3, session.RunClean("Get-MigrationVm x*-$s -HostName (Get-MigrationHost $a)").Output.Count);
        Assert.Equal($"x2-{session.Suffix}", session.RunClean("Get-MigrationHost $a | Get-MigrationVm x2*").Single<MigrationVm>().Name);
        Assert.Empty(session.RunClean("Get-MigrationVm -HostName $b").Output);
    }

    [Fact]
    public void A_VM_goes_through_its_states()
    {
        ScriptOutcome outcome = session.RunClean("""
            $made = New-MigrationVm $vm $a 16MB -StepsPerSecond 1000
            $made.State
            ($made | Start-MigrationVm -PassThru).State
            (Suspend-MigrationVm $vm -PassThru).State
            (Resume-MigrationVm $vm -HostName $a -PassThru).State
            (Stop-MigrationVm -Id $made.Id -PassThru).State
            $made | Remove-MigrationVm -Force
            """);
        Assert.Equal([VmState.Stopped, VmState.Running, VmState.Paused, VmState.Running, VmState.Stopped], outcome.All<VmState>());
        Assert.Empty(session.RunClean("Get-MigrationVm -HostName $a").Output);
    }

    [Fact]
    public void Without_PassThru_a_state_change_writes_nothing() =>
        Assert.Empty(session.RunClean("New-MigrationVm $vm $a 16MB -StepsPerSecond 10 | Start-MigrationVm").Output);

    [Fact]
    public void An_object_is_a_snapshot_that_Get_refreshes()
    {
        ScriptOutcome outcome = session.RunClean("$made = New-MigrationVm $vm $a 16MB; $made | Start-MigrationVm; $made; $made | Get-MigrationVm");
        Assert.Equal([VmState.Stopped, VmState.Running], outcome.All<MigrationVm>().Select(vm => vm.State));
    }

    [Fact]
    public void Plain_objects_bind_by_the_names_of_their_properties()
    {
        ScriptOutcome outcome = session.RunClean("""
            $made = New-MigrationVm $vm $a 16MB -StepsPerSecond 10
            [pscustomobject]@{ Id = $made.Id } | Start-MigrationVm -PassThru
            [pscustomobject]@{ VmName = $vm; HostName = $a } | Suspend-MigrationVm -PassThru
            [pscustomobject]@{ Id = $made.Id; Name = $vm; HostName = $a } | Stop-MigrationVm -TurnOff -Force -PassThru
            """);
        Assert.Equal([VmState.Running, VmState.Paused, VmState.Stopped], outcome.All<MigrationVm>().Select(vm => vm.State));
    }

    [Fact]
    public void Wildcards_act_on_all_that_match()
    {
        session.RunClean("1..3 | ForEach-Object { New-MigrationVm \"w$_-$s\" $a 16MB -StepsPerSecond 10 } | Start-MigrationVm");
        Assert.Equal(3, session.RunClean("Suspend-MigrationVm w*-$s -PassThru").Output.Count);
        Assert.Equal(2, session.RunClean("Resume-MigrationVm w[12]-$s -PassThru").Output.Count);
    }

    [Theory]
    [InlineData("New-MigrationVm new-$s $a 16MB -WhatIf")]
    [InlineData("Start-MigrationVm $vm -WhatIf")]
    [InlineData("Remove-MigrationVm $vm -WhatIf")]
    [InlineData("Remove-MigrationVm $vm -Force -WhatIf")]
    [InlineData("$WhatIfPreference = $true; Remove-MigrationVm $vm -Force")]
    [InlineData("Register-MigrationVm /nowhere.qmp $a -WhatIf")]
    public void WhatIf_changes_nothing_on_a_stopped_VM(string command)
    {
        session.RunClean("New-MigrationVm $vm $a 16MB");
        Assert.Empty(session.RunClean($"& {{ {command} }}").Output);
        Assert.NotEmpty(session.Host.Screen.TakeText());
        Assert.Equal(VmState.Stopped, session.RunClean("Get-MigrationVm -HostName $a").Single<MigrationVm>().State);
    }

    [Theory]
    [InlineData("Suspend-MigrationVm $vm -WhatIf")]
    [InlineData("Stop-MigrationVm $vm -WhatIf")]
    [InlineData("Stop-MigrationVm $vm -TurnOff -Force -WhatIf")]
    [InlineData("Stop-MigrationVm $vm -TurnOff -WhatIf")]
    public void WhatIf_changes_nothing_on_a_running_VM(string command)
    {
        session.RunClean("New-MigrationVm $vm $a 16MB -StepsPerSecond 10 | Start-MigrationVm");
        Assert.Empty(session.RunClean(command).Output);
        Assert.Contains(session.VmName, session.Host.Screen.TakeText());
        Assert.Equal(VmState.Running, session.RunClean("Get-MigrationVm $vm").Single<MigrationVm>().State);
        Assert.Empty(session.Host.Screen.Prompts);
    }

    [Theory]
    [InlineData("Stop-MigrationVm $vm -TurnOff", 1)]
    [InlineData("Stop-MigrationVm $vm -TurnOff -Force", 0)]
    [InlineData("Stop-MigrationVm $vm -TurnOff -Confirm:$false", 0)]
    [InlineData("$ConfirmPreference = 'None'; Stop-MigrationVm $vm -TurnOff", 0)]
    [InlineData("Stop-MigrationVm $vm", 0)]
    public void Only_turning_off_asks_and_there_are_ways_out(string command, int prompts)
    {
        session.Host.Screen.Choice = "Yes";
        session.RunClean("New-MigrationVm $vm $a 16MB -StepsPerSecond 10 | Start-MigrationVm");
        session.RunClean($"& {{ {command} }}");
        Assert.Equal(prompts, session.Host.Screen.Prompts.Count);
        Assert.Equal(VmState.Stopped, session.RunClean("Get-MigrationVm $vm").Single<MigrationVm>().State);
    }

    [Fact]
    public void Answering_no_leaves_everything_as_it_is()
    {
        session.Host.Screen.Choice = "No";
        session.RunClean("New-MigrationVm $vm $a 16MB -StepsPerSecond 10 | Start-MigrationVm");
        session.RunClean("Stop-MigrationVm $vm -TurnOff; Remove-MigrationVm $vm");
        Assert.Equal(2, session.Host.Screen.Prompts.Count);
        Assert.Equal(VmState.Running, session.RunClean("Get-MigrationVm $vm").Single<MigrationVm>().State);
    }

    [Fact]
    public void A_missing_VM_is_an_error_about_the_name_and_the_others_are_done()
    {
        ScriptOutcome outcome = session.Run("$null = New-MigrationVm $vm $a 16MB -StepsPerSecond 10; Start-MigrationVm nosuch-$s, $vm -PassThru");
        Assert.Equal(session.VmName, outcome.Single<MigrationVm>().Name);
        ErrorRecord error = Assert.Single(outcome.Errors);
        Assert.Equal("VmNotFound,VmMigration.Cmdlets.StartMigrationVmCommand", error.FullyQualifiedErrorId);
        Assert.Equal(ErrorCategory.ObjectNotFound, error.CategoryInfo.Category);
        Assert.Equal($"nosuch-{session.Suffix}", error.TargetObject);
        Assert.Contains("Get-MigrationVm", error.ErrorDetails.RecommendedAction);
    }

    [Fact]
    public void A_name_is_taken_once_on_a_host()
    {
        session.RunClean("New-MigrationVm $vm $a 16MB");
        ErrorRecord error = session.RunFailing("New-MigrationVm $vm $a 16MB");
        Assert.StartsWith("VmAlreadyExists", error.FullyQualifiedErrorId);
        Assert.Equal(ErrorCategory.ResourceExists, error.CategoryInfo.Category);
    }

    [Fact]
    public void A_state_that_forbids_it_is_an_error_with_the_way_on()
    {
        session.RunClean("New-MigrationVm $vm $a 16MB");
        ErrorRecord error = session.RunFailing("Suspend-MigrationVm $vm");
        Assert.StartsWith("InvalidState", error.FullyQualifiedErrorId);
        Assert.Equal(ErrorCategory.InvalidOperation, error.CategoryInfo.Category);
    }

    [Fact]
    public void Memory_that_is_no_multiple_of_two_mebibytes_is_refused() =>
        Assert.StartsWith("InvalidArgument", session.RunFailing("New-MigrationVm $vm $a 3MB").FullyQualifiedErrorId);

    [Fact]
    public void Disks_are_taken_as_paths_and_as_hashtables()
    {
        using PowerShell shell = session.CreateShell("[VmMigration.Cmdlets.VmDisk[]]('/vm/a.qcow2', '/vm/b.img', @{ Path = '/vm/c.img'; ReadOnly = $true })");
        VmDisk[] disks = [.. shell.Invoke<VmDisk>()];
        Assert.Equal(["qcow2", "raw", "raw"], disks.Select(disk => disk.Format));
        Assert.Equal([false, false, true], disks.Select(disk => disk.ReadOnly));
    }

    [Fact]
    public void Adopting_at_a_socket_that_is_not_there_is_an_error_about_the_path()
    {
        ErrorRecord error = session.RunFailing("Register-MigrationVm -QmpSocket /nowhere/web.qmp -HostName $a");
        Assert.Equal("/nowhere/web.qmp", error.TargetObject);
        Assert.Contains("/nowhere/web.qmp", error.Exception.Message);
    }
}
