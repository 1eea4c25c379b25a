using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

/// <summary>What a person sees on a screen of 100 columns.</summary>
public sealed class FormatTests : IDisposable
{
    private readonly ModuleSession session = ModuleSession.WithRunningVm();

    public void Dispose() => session.Dispose();

    [Theory]
    [InlineData("Get-MigrationHost $a", "Name", "Endpoint", "Hypervisors", "Embedded")]
    [InlineData("Test-MigrationHost $a", "Check", "Passed", "VMs can run here.")]
    [InlineData("Get-MigrationVm $vm", "State", "Running", "vCPU", "16 MiB", "HotSetWriter")]
    [InlineData("Test-VmMigration $vm $b", "CanMigrate", "True", "Engine", "Information: LinkSecurity")]
    [InlineData("(Test-VmMigration $vm $b).Findings", "Severity", "Message", "memory while the VM runs")]
    [InlineData("Start-VmMigration $vm $b -Wait", "State", "Downtime", "Completed", "100", " ms", " s ")]
    [InlineData("(Start-VmMigration $vm $b -VerifyMemory -Wait).Result",
        "Total time", "Downtime", "last pages", "device state", "commit", "  disks", "Disks               : none", "Pages populated", "Memory verified     : True", "no process of its own",
        "Software, unit ", "Large pages", "Poisoned pages      : 0", "Post-copy           : none", "Path                : Direct")]
    [InlineData("(Start-VmMigration $vm $b -Wait).Result.PassDetails", "To send", "Unchanged", "Written", "vCPUs", "Delay", "4,096")]
    [InlineData("Start-VmMigration $vm $b -Wait | Get-WriteTrace", "Mechanism", "Software", "KiB", "Stall", " ms")]
    [InlineData("Get-LargePage $vm", "Backing", "BasePages", "Mapped", "Share")]
    [InlineData("Stop-MigrationVm $vm; Get-LargePage $vm", "BasePages", "It has no memory:")]
    [InlineData("Add-PoisonedPage $vm 0xf00000 -Force -PassThru", "Address", "0xf00000", "Injected", "Since")]
    [InlineData("(Start-VmMigration $vm $b -Wait).Result.DowntimeParts", "Stop", "Last pages", "ms")]
    public void A_view_shows_the_essentials_within_the_columns(string script, params string[] essentials)
    {
        string text = session.Render(script);
        Assert.All(essentials, essential => Assert.Contains(essential, text));
        Assert.All(text.Split('\n'), line => Assert.InRange(line.Length, 0, CapturingHost.Columns));
    }

    [Fact]
    public void Long_names_are_cut_and_every_column_stays()
    {
        session.RunClean("New-MigrationVm ('n' * 50 + $s) $a 16MB");
        string text = session.Render("Get-MigrationVm nnn*$s");
        Assert.Contains("…", text);
        Assert.Contains("Guest", text);
        Assert.Contains("SequentialWriter", text);
        Assert.All(text.Split('\n'), line => Assert.InRange(line.Length, 0, CapturingHost.Columns));
    }
}
