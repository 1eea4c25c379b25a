using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

[Collection(nameof(DiskTransferTests))]
public sealed class DiskFragmentTests : IAsyncLifetime
{
    private readonly ModuleSession session = new();
    private ScriptedMigrationHost source = null!;

    public async ValueTask InitializeAsync()
    {
        source = await ScriptedMigrationHost.AddAsync(session.HostA, session.VmName);
        await ScriptedMigrationHost.AddAsync(session.HostB, session.VmName);
        source.Disks.Add("/vm/web01.raw", 1000L << 20);
        source.Disks.Add("/vm/web02.raw", 1000L << 20);
        session.RunClean("'/vm/web01.raw', '/vm/web02.raw' | Start-DiskTransfer -SourceHost $a -DestinationHost $b");
        source.Disks.Advance(25);
        session.RunClean("Stop-DiskTransfer *");
    }

    public ValueTask DisposeAsync()
    {
        session.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public void A_fragment_says_of_which_disk_it_is_how_much_is_there_and_why()
    {
        DiskFragment fragment = session.RunClean("Get-DiskFragment web01.raw").Single<DiskFragment>();
        Assert.Equal((session.HostB, session.HostA, "/vm/web01.raw"), (fragment.HostName, fragment.SourceHostName, fragment.SourcePath));
        Assert.Equal((250L << 20, 25, "Cancelled"), (fragment.OffsetBytes, fragment.PercentComplete, fragment.ErrorId));
        Assert.Equal(new DateTimeOffset(2023, 11, 14, 22, 13, 20, TimeSpan.Zero), fragment.SourceModifiedAt);
        Assert.Equal(fragment.Id, session.RunClean($"Get-DiskFragment -Id {fragment.Id}").Single<DiskFragment>().Id);
    }

    [Theory]
    [InlineData("Get-DiskFragment", 2)]
    [InlineData("Get-DiskFragment *02*", 1)]
    [InlineData("Get-DiskFragment /vm/*", 2)]
    [InlineData("Get-DiskFragment -HostName $a", 0)]
    [InlineData("Get-DiskFragment -HostName $b", 2)]
    [InlineData("Get-DiskFragment other*", 0)]
    public void Fragments_are_chosen_by_disk_and_host(string script, int count) => Assert.Equal(count, session.RunClean(script).Output.Count);

    [Theory]
    [InlineData("Get-DiskFragment other.raw")]
    [InlineData("Get-DiskFragment -Id ([guid]::NewGuid())")]
    [InlineData("Remove-DiskFragment other.raw -Force")]
    public void A_fragment_that_is_not_there_is_an_error(string script) =>
        Assert.StartsWith("DiskFragmentNotFound", session.RunFailing(script).FullyQualifiedErrorId, StringComparison.Ordinal);

    [Fact]
    public void A_removed_fragment_is_gone_and_WhatIf_removes_none()
    {
        session.RunClean("Get-DiskFragment | Remove-DiskFragment -WhatIf; Remove-DiskFragment web01.raw -Force -WhatIf");
        Assert.Equal(2, session.RunClean("Get-DiskFragment").Output.Count);
        session.RunClean("Get-DiskFragment web01.raw | Remove-DiskFragment -Force");
        Assert.Equal("/vm/web02.raw", session.RunClean("Get-DiskFragment").Single<DiskFragment>().SourcePath);
    }

    [Fact]
    public void A_fragment_whose_source_host_is_not_here_says_so_and_stays()
    {
        session.RunClean("Disconnect-MigrationHost $a -Force");
        ErrorRecord error = session.RunFailing("Get-DiskFragment web01.raw | Resume-DiskTransfer");
        Assert.StartsWith("HostNotFound", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.IsType<DiskFragment>(error.TargetObject);
        Assert.Equal(2, session.RunClean("Get-DiskFragment").Output.Count);
    }

    [Theory]
    [InlineData("Get-DiskTransfer web01.raw", "Disk", "web01.raw", "Cancelled", "1,000 MiB", "Fresh")]
    [InlineData("Resume-DiskTransfer web01.raw", "Continued", "Transferring", "25")]
    [InlineData("(Resume-DiskTransfer web01.raw).Resumption", "Continued", "262144000")]
    [InlineData("Get-DiskFragment web01.raw", "Kept by", "250 MiB", "Cancelled", "25")]
    public void A_view_shows_the_essentials_within_the_columns(string script, params string[] essentials)
    {
        string text = session.Render(script);
        Assert.All(essentials, essential => Assert.Contains(essential, text));
        Assert.All(text.Split('\n'), line => Assert.InRange(line.Length, 0, CapturingHost.Columns));
    }

    [Theory]
    [InlineData("Get-DiskTransfer -Id ", 2)]
    [InlineData("Resume-DiskTransfer -Id ", 2)]
    [InlineData("Get-DiskFragment -Id ", 2)]
    [InlineData("Remove-DiskFragment -Id ", 2)]
    [InlineData("Get-DiskFragment web", 2)]
    [InlineData("Stop-DiskTransfer /vm/web01", 1)]
    [InlineData("Resume-DiskTransfer web02", 1)]
    public void Transfers_and_fragments_are_offered(string line, int count)
    {
        using var shell = PowerShell.Create(session.Runspace);
        string[] offered = [.. CommandCompletion.CompleteInput(line, line.Length, null, shell).CompletionMatches.Select(match => match.CompletionText)];
        Assert.Equal(count, offered.Length);
        Assert.All(offered, text => Assert.True(Guid.TryParse(text, out _) || text.StartsWith("/vm/web", StringComparison.Ordinal), text));
    }
}
