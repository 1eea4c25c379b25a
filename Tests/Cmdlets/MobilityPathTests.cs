using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

/// <summary>The path cmdlets on scripted hosts; the functional tests make real paths.</summary>
public sealed class MobilityPathTests : IAsyncLifetime
{
    private readonly ModuleSession session = new();
    private ScriptedMigrationHost source = null!;
    private ScriptedMigrationHost destination = null!;

    public async ValueTask InitializeAsync()
    {
        source = await ScriptedMigrationHost.AddAsync(session.HostA, session.VmName);
        destination = await ScriptedMigrationHost.AddAsync(session.HostB, session.VmName);
    }

    public ValueTask DisposeAsync()
    {
        session.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public void A_new_path_has_an_end_on_either_host_and_is_found_again()
    {
        MobilityPath made = session.RunClean("New-MobilityPath Overlay $a $b").Single<MobilityPath>();
        Assert.Equal((MobilityPathKind.Overlay, session.HostA, session.HostB), (made.Kind, made.SourceHostName, made.DestinationHostName));
        Assert.Equal(MobilityPathState.Ready, made.State);
        Assert.Equal(
            [(session.HostA, MobilityPathRole.Source), (session.HostB, MobilityPathRole.Destination)],
            made.Ends.Select(end => (end.HostName, end.Role)));
        Assert.All(made.Ends, end => Assert.Equal([$"device of {end.HostName}"], end.Resources));
        Assert.StartsWith("fd", made.SourceVirtualAddress, StringComparison.Ordinal);
        Assert.InRange(made.SetupTime, TimeSpan.FromTicks(1), TimeSpan.FromMinutes(1));
        MobilityPath found = session.RunClean("Get-MobilityPath $a").Single<MobilityPath>();
        Assert.Equal(made.Id, found.Id);
        Assert.Equal(found.Id, session.RunClean("Get-MobilityPath $b | Get-MobilityPath").Single<MobilityPath>().Id);
    }

    [Fact]
    public void WhatIf_makes_and_removes_nothing()
    {
        Assert.Empty(session.RunClean("New-MobilityPath Overlay $a $b -WhatIf").Output);
        Assert.Empty(session.RunClean("Get-MobilityPath *-$s").Output);
        session.RunClean("New-MobilityPath Overlay $a $b | Remove-MobilityPath -WhatIf");
        Assert.Single(session.RunClean("Get-MobilityPath *-$s").Output);
    }

    [Fact]
    public void A_removed_path_is_gone_from_both_hosts_and_an_unknown_one_is_an_error()
    {
        string id = session.RunClean("$path = New-MobilityPath Overlay $a $b; $path | Remove-MobilityPath; \"$($path.Id)\"").Single<string>();
        Assert.Empty(session.RunClean("Get-MobilityPath *-$s").Output);
        ErrorRecord error = session.RunFailing($"Get-MobilityPath -Id {id}");
        Assert.Contains(id, error.Exception.Message);
        Assert.Contains("Get-MobilityPath", error.ErrorDetails.RecommendedAction);
    }

    [Fact]
    public void A_path_in_use_says_by_which_migration_and_is_not_removed()
    {
        var migrationId = Guid.NewGuid();
        session.RunClean("New-MobilityPath Overlay $a $b");
        source.UsePaths(migrationId);
        MobilityPath used = session.RunClean("Get-MobilityPath $a").Single<MobilityPath>();
        Assert.Equal((MobilityPathState.InUse, migrationId), (used.State, used.MigrationId));
        ErrorRecord error = session.RunFailing("Get-MobilityPath $a | Remove-MobilityPath");
        Assert.StartsWith("InvalidState", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Single(session.RunClean("Get-MobilityPath $a").Output);
    }

    [Fact]
    public void Test_measures_the_round_trip_and_says_where_nothing_answers()
    {
        source.RoundTrip = TimeSpan.FromMilliseconds(1.5);
        MobilityPathCheck answered = session.RunClean("$path = New-MobilityPath Overlay $a $b; $path | Test-MobilityPath").Single<MobilityPathCheck>();
        Assert.True(answered.Passed);
        Assert.Equal(TimeSpan.FromMilliseconds(1.5), answered.RoundTripTime);
        source.RoundTrip = null;
        MobilityPathCheck silent = session.RunClean("Test-MobilityPath $path.Id").Single<MobilityPathCheck>();
        Assert.False(silent.Passed);
        Assert.NotNull(silent.RecommendedAction);
        Assert.False(session.RunClean("$path | Test-MobilityPath -Quiet").Single<bool>());
    }

    [Fact]
    public void Test_of_a_kind_names_what_a_host_lacks_and_makes_nothing()
    {
        Assert.True(session.RunClean("Test-MobilityPath -Kind Overlay $a $b -Quiet").Single<bool>());
        destination.OverlayObstacle = "The command 'ip' was not found.";
        MobilityPathCheck check = session.RunClean("Test-MobilityPath -Kind Overlay $a $b").Single<MobilityPathCheck>();
        Assert.False(check.Passed);
        Assert.Contains("'ip' was not found", check.Message);
        Assert.False(session.RunClean("Test-MobilityPath -Kind Overlay $a $b -Quiet").Single<bool>());
        Assert.Empty(session.RunClean("Get-MobilityPath *-$s").Output);
        ErrorRecord error = session.RunFailing("New-MobilityPath Overlay $a $b");
        Assert.Contains("'ip' was not found", error.Exception.Message);
    }

    [Theory]
    [InlineData("New-MobilityPath Direct $a $b")]
    [InlineData("New-MobilityPath Nat $a $b")]
    public void A_path_that_cannot_be_is_refused(string script) =>
        Assert.NotEmpty(session.RunFailing(script).Exception.Message);

    [Fact]
    public void The_ids_of_paths_are_offered()
    {
        string id = session.RunClean("\"$((New-MobilityPath Overlay $a $b).Id)\"").Single<string>();
        using var shell = PowerShell.Create(session.Runspace);
        string line = $"Test-MobilityPath -Id {id[..8]}";
        string[] offered = [.. CommandCompletion.CompleteInput(line, line.Length, null, shell).CompletionMatches.Select(match => match.CompletionText)];
        Assert.Equal([id], offered);
    }

    [Theory]
    [InlineData("New-MobilityPath Overlay $a $b", "Overlay", "Ready", "Setup", " ms")]
    [InlineData("(New-MobilityPath Overlay $a $b).Ends", "Role", "Source", "Destination", "device of")]
    [InlineData("New-MobilityPath Overlay $a $b | Test-MobilityPath", "RoundTrip", "True", "1.50 ms")]
    public void A_view_shows_the_essentials_within_the_columns(string script, params string[] essentials)
    {
        string text = session.Render(script);
        Assert.All(essentials, essential => Assert.Contains(essential, text));
        Assert.All(text.Split('\n'), line => Assert.InRange(line.Length, 0, CapturingHost.Columns));
    }

    [Theory]
    [InlineData("Overlay", MobilityPathKind.Overlay)]
    [InlineData("nat", MobilityPathKind.Nat)]
    [InlineData(" Direct ", MobilityPathKind.Direct)]
    public void A_path_argument_is_a_kind_in_any_case(string text, MobilityPathKind kind) =>
        Assert.Equal(kind, new MobilityPathReference(text).Kind);

    [Theory]
    [InlineData("Invalid")]
    [InlineData("2")]
    [InlineData("")]
    public void A_path_argument_that_is_no_kind_and_no_id_is_refused(string text) =>
        Assert.Contains("Overlay", Assert.Throws<FormatException>(() => new MobilityPathReference(text)).Message);
}
