using System.Diagnostics;
using System.Text.Json;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

/// <summary>What only a process shows that has neither the module nor the engine beside it.</summary>
public sealed class IsolationTests
{
    [Fact]
    public async Task Engine_and_its_packages_are_in_a_context_of_their_own()
    {
        Report report = await RunAsync("""
            'a', 'b' | New-MigrationHost | ForEach-Object Name
            New-MigrationVm web a 16MB -StepsPerSecond 1000 | Start-MigrationVm
            (Start-VmMigration web b -VerifyMemory -Wait).Result.MemoryVerified
            """);
        Assert.Empty(report.Errors);
        Assert.Equal(["a", "b", "True"], report.Output);
        Assert.Equal(["Default"], report.Contexts["VmMigration.Cmdlets"]);
        string[] isolated = ["VmMigration.Engine", "Serilog", "Microsoft.Data.Sqlite", "SQLitePCLRaw.core"];
        Assert.All(isolated, name => Assert.Equal([EngineLoadContext.ContextName], report.Contexts[name]));
    }

    [Fact]
    public async Task What_an_agent_is_reached_with_is_there_too_whatever_version_another_module_loaded()
    {
        await using var agents = new HostAgentPair();
        await agents.InitializeAsync();
        Report report = await RunAsync($"(Connect-MigrationHost {agents.First.Socket}).Name; @(Get-MigrationVm).Count");
        Assert.Empty(report.Errors);
        Assert.Equal([agents.Session.HostA, "0"], report.Output);
        string[] isolated = ["Google.Protobuf", "Grpc.Net.Client", "Grpc.Core.Api"];
        Assert.All(isolated, name => Assert.Equal([EngineLoadContext.ContextName], report.Contexts[name]));
        Assert.Equal(["Default", EngineLoadContext.ContextName], report.Contexts["Microsoft.Extensions.Logging.Abstractions"]);
    }

    [Fact]
    public async Task Import_Force_closes_the_hosts_and_keeps_one_engine()
    {
        Report report = await RunAsync($"""
            $null = New-MigrationHost a
            Import-Module '{BuildOutput.ManifestPath}' -Force
            @(Get-MigrationHost).Count
            New-MigrationHost a | ForEach-Object Name
            """);
        Assert.Empty(report.Errors);
        Assert.Equal(["0", "a"], report.Output);
        Assert.Equal([EngineLoadContext.ContextName], report.Contexts["VmMigration.Engine"]);
    }

    [Fact]
    public async Task Removing_the_module_removes_the_directories_of_its_hosts()
    {
        Report report = await RunAsync("""
            (New-MigrationHost a).StateDirectory
            Remove-Module VmMigration
            """);
        Assert.Empty(report.Errors);
        Assert.False(Directory.Exists(Assert.Single(report.Output)), report.Output[0]);
    }

    [Fact]
    public async Task Ending_the_process_removes_the_directories_of_its_hosts()
    {
        Report report = await RunAsync("(New-MigrationHost a).StateDirectory");
        Assert.False(Directory.Exists(Assert.Single(report.Output)), report.Output[0]);
    }

    private static async Task<Report> RunAsync(string script)
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        var start = new ProcessStartInfo(Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string argument in new[] { BuildOutput.ModuleHostPath, BuildOutput.ManifestPath, script }) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken);
        string output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        Assert.True(process.ExitCode == 0, await errors);
        return JsonSerializer.Deserialize<Report>(output)!;
    }

    private sealed record Report(string[] Output, string[] Errors, Dictionary<string, string[]> Contexts);
}
