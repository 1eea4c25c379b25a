using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class CompletionTests : IDisposable
{
    private readonly ModuleSession session = ModuleSession.WithRunningVm();

    public void Dispose() => session.Dispose();

    [Theory]
    [InlineData("Get-MigrationHost ")]
    [InlineData("Test-MigrationHost -Name ")]
    [InlineData("Disconnect-MigrationHost ")]
    [InlineData("Start-VmMigration web -DestinationHost ")]
    [InlineData("New-MigrationVm web -HostName ")]
    [InlineData("New-MobilityPath Nat -SourceHost ")]
    [InlineData("Start-VmMigration web -Path Nat -GatewayHost ")]
    [InlineData("Get-MobilityPath ")]
    [InlineData("Start-DiskTransfer web.raw -DestinationHost ")]
    [InlineData("Get-DiskFragment -HostName ")]
    public void Hosts_are_offered(string line)
    {
        Assert.Equal([session.HostA, session.HostB], Complete(line).Where(IsOurs));
        Assert.Equal([session.HostB], Complete(line + "b-").Where(IsOurs));
    }

    [Theory]
    [InlineData("Get-MigrationVm ")]
    [InlineData("Start-MigrationVm -Name ")]
    [InlineData("Start-VmMigration ")]
    [InlineData("Wait-VmMigration ")]
    [InlineData("Resume-VmMigration ")]
    [InlineData("Get-WriteTrace ")]
    [InlineData("Get-LargePage ")]
    [InlineData("Get-PoisonedPage -Name ")]
    [InlineData("Add-PoisonedPage ")]
    public void VMs_are_offered(string line) => Assert.Equal([session.VmName], Complete(line + "vm-").Where(IsOurs));

    [Fact]
    public void VMs_of_the_named_host_only_are_offered()
    {
        session.RunClean("New-MigrationVm other-$s $b 16MB");
        Assert.Equal([$"other-{session.Suffix}"], Complete($"Start-MigrationVm -HostName {session.HostB} -Name ").Where(IsOurs));
    }

    [Fact]
    public void Ids_of_migrations_are_offered()
    {
        string id = session.RunClean("(Start-VmMigration $vm $b -Wait).Id.ToString()").Single<string>();
        Assert.Contains(id, Complete("Get-VmMigration -Id "));
        Assert.Equal([id], Complete($"Wait-VmMigration -Id {id[..8]}"));
    }

    [Fact]
    public void Guest_programs_are_offered_and_no_invalid_one() =>
        Assert.Equal(["Checksum", "HotSetWriter", "Idle", "SequentialWriter"], Complete("New-MigrationVm -Program ").Order());

    [Theory]
    [InlineData("Start-VmMigration web b -WriteTraceGranularity ", "2MB", "4KB", "64KB", "1GB", "Auto")]
    [InlineData("Start-VmMigration web b -Postcopy ", "AfterFirstPass", "Never", "WhenNotConverging")]
    [InlineData("Start-VmMigration web b -Path ", "Direct", "Nat", "Overlay")]
    [InlineData("Start-DiskTransfer web.raw a b -MobilityPath ", "Direct", "Nat", "Overlay")]
    [InlineData("Start-DiskTransfer web.raw a b -DestinationFormat ", "Qcow2", "Raw")]
    [InlineData("Start-DiskTransfer web.raw a b -Compression ", "None", "Zstd")]
    [InlineData("Start-VmMigration web b -DiskCompression ", "None", "Zstd")]
    [InlineData("New-MobilityPath -Kind ", "Direct", "Nat", "Overlay")]
    [InlineData("New-MigrationVm -MemoryBacking ", "BasePages", "HugeTlb", "TransparentHugePages")]
    public void Ways_are_offered_and_no_invalid_one(string line, params string[] offered) =>
        Assert.Equal(offered.Order(), Complete(line).Order());

    private bool IsOurs(string text) => text.EndsWith(session.Suffix, StringComparison.Ordinal);

    private IReadOnlyList<string> Complete(string line)
    {
        using var shell = PowerShell.Create(session.Runspace);
        return [.. CommandCompletion.CompleteInput(line, line.Length, null, shell).CompletionMatches.Select(match => match.CompletionText)];
    }
}
