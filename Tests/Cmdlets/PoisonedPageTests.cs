using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class PoisonedPageTests : IDisposable
{
    // Reads and writes nothing beyond its working set, so it never touches the pages that are poisoned here.
    private readonly ModuleSession session =
        ModuleSession.WithRunningVm("-MemoryBytes 16MB -Program SequentialWriter -WorkingSetBytes 4MB -StepsPerSecond 2000");

    public void Dispose() => session.Dispose();

    [Fact]
    public void Added_pages_are_listed_with_address_source_and_time()
    {
        ScriptOutcome outcome = session.RunClean(
            "Get-PoisonedPage $vm; Add-PoisonedPage $vm 0x800000, 9437184 -Force -PassThru; Get-PoisonedPage $vm");
        IReadOnlyList<PoisonedPage> pages = outcome.All<PoisonedPage>();
        Assert.Equal(4, pages.Count);
        Assert.Equal(pages.Take(2), pages.Skip(2));
        Assert.Equal([0x800000L, 0x900000L], pages.Take(2).Select(page => page.GuestPhysicalAddress!.Value));
        Assert.All(pages, page => Assert.Equal(
            (session.VmName, session.HostA, PoisonSource.Injected), (page.VmName, page.HostName, page.Source)));
        Assert.All(pages, page => Assert.InRange(page.Since, DateTimeOffset.UtcNow - TimeSpan.FromMinutes(1), DateTimeOffset.UtcNow));
        Assert.Equal(VmState.Running, session.RunClean("Get-MigrationVm $vm").Single<MigrationVm>().State);
    }

    [Fact]
    public void An_address_means_its_page_and_only_a_new_page_is_written()
    {
        Assert.Single(session.RunClean("Add-PoisonedPage $vm 0x800123, 0x800fff -Force -PassThru").Output);
        Assert.Empty(session.RunClean("Add-PoisonedPage $vm 0x800000 -Force -PassThru").Output);
        Assert.Empty(session.RunClean("Add-PoisonedPage $vm 0x900000 -Force").Output);
        Assert.Equal(
            [0x800000L, 0x900000L],
            session.RunClean("Get-PoisonedPage $vm").All<PoisonedPage>().Select(page => page.GuestPhysicalAddress!.Value));
    }

    [Fact]
    public void Pages_go_through_the_pipeline_to_a_VM_that_was_started_anew_with_one_question()
    {
        session.Host.Screen.Choice = "Yes";
        session.RunClean("Add-PoisonedPage $vm 0x800000, 0x900000, 0xa00000 -Force");
        Assert.Equal(3, session.RunClean("""
            $pages = Get-PoisonedPage $vm
            Stop-MigrationVm $vm -TurnOff -Force
            Start-MigrationVm $vm
            $before = @(Get-PoisonedPage $vm).Count
            if ($before) { throw "$before pages are poisoned still" }
            $pages | Add-PoisonedPage -PassThru
            """).Output.Count);
        string prompt = Assert.Single(session.Host.Screen.Prompts);
        Assert.Contains("3 pages", prompt);
    }

    [Theory]
    [InlineData("Add-PoisonedPage $vm 0x800000 -WhatIf", 0)]
    [InlineData("Add-PoisonedPage $vm 0x800000 -Force -WhatIf", 0)]
    [InlineData("$WhatIfPreference = $true; Add-PoisonedPage $vm 0x800000 -Force", 0)]
    [InlineData("Add-PoisonedPage $vm 0x800000", 1)]
    public void Without_consent_nothing_is_poisoned(string command, int prompts)
    {
        session.Host.Screen.Choice = "No";
        session.RunClean($"& {{ {command} }}");
        Assert.Equal(prompts, session.Host.Screen.Prompts.Count);
        Assert.Empty(session.RunClean("Get-PoisonedPage $vm").Output);
    }

    [Fact]
    public void What_is_no_RAM_is_refused_and_nothing_is_poisoned()
    {
        ErrorRecord error = session.RunFailing("Add-PoisonedPage $vm 0x800000, 1TB -Confirm:$false");
        Assert.StartsWith("InvalidArgument", error.FullyQualifiedErrorId);
        Assert.Equal(session.VmName, error.TargetObject);
        Assert.Empty(session.RunClean("Get-PoisonedPage $vm").Output);
    }

    [Fact]
    public void A_stopped_VM_has_none_and_takes_none()
    {
        session.RunClean("$null = New-MigrationVm off-$s $a 16MB");
        Assert.Empty(session.RunClean("Get-PoisonedPage off-$s").Output);
        Assert.StartsWith("InvalidState", session.RunFailing("Add-PoisonedPage off-$s 0x1000 -Force").FullyQualifiedErrorId);
    }

    [Fact]
    public void A_host_is_searched_and_what_was_found_names_the_VMs_to_move()
    {
        session.RunClean("""
            $null = New-MigrationVm sound-$s $a 16MB -StepsPerSecond 10 | Start-MigrationVm
            Add-PoisonedPage $vm 0x800000, 0x900000 -Force
            """);
        ScriptOutcome outcome = session.RunClean("""
            Get-MigrationHost $a | Get-PoisonedPage | Start-VmMigration -DestinationHost $b -VerifyMemory -Wait
            Get-PoisonedPage $vm
            """);
        var result = Assert.IsType<VmMigrationOperation>(outcome.Output[0]).Result!;
        Assert.True(result.MemoryVerified);
        PoisonedPage[] carried = [.. outcome.Output.Skip(1).Cast<PoisonedPage>()];
        Assert.Equal([0x800000L, 0x900000L], carried.Select(page => page.GuestPhysicalAddress!.Value));
        Assert.All(carried, page => Assert.Equal((session.HostB, PoisonSource.Carried), (page.HostName, page.Source)));
        Assert.Equal(carried.Select(page => page.Page), result.PoisonedPages.Select(page => page.Page));
        Assert.All(result.PoisonedPages, page => Assert.Equal((session.VmName, session.HostB), (page.VmName, page.HostName)));
        Assert.Empty(session.RunClean("Get-MigrationHost $a | Get-PoisonedPage").Output);
    }

    [Fact]
    public void The_check_before_a_migration_names_the_poisoned_pages()
    {
        session.RunClean("Add-PoisonedPage $vm 0x800000 -Force");
        PreflightReport report = session.RunClean("Test-VmMigration $vm $b").Single<PreflightReport>();
        Assert.True(report.CanMigrate);
        Assert.Contains(report.Findings, finding => finding.Severity == PreflightSeverity.Warning
            && finding.Message.Contains("0x800000", StringComparison.OrdinalIgnoreCase));
    }
}
