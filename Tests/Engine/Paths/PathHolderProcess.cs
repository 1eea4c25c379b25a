using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Tests.Paths;

/// <summary>
/// This test program once more, as a child inside a network of a lab that holds a state directory and an end of a path until it is killed.
/// </summary>
internal static class PathHolderProcess
{
    private const string DirectoryVariable = "VMMIGRATION_TEST_PATH_HOLDER";
    private const string RequestVariable = "VMMIGRATION_TEST_PATH_REQUEST";
    private const string Made = "made";

    /// <summary>Starts it and waits until it has made the end.</summary>
    public static async Task<Process> StartAsync(
        PathNetwork network, string stateDirectory, MobilityPathRequest request, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
        {
            start.ArgumentList.Add(typeof(PathHolderProcess).Assembly.Location);
        }

        start.Environment[DirectoryVariable] = stateDirectory;
        start.Environment[RequestVariable] = JsonSerializer.Serialize(request);
        Process child = network.Run(() => Process.Start(start)!);
        string? line = await child.StandardOutput.ReadLineAsync(cancellationToken);
        return line == Made ? child : throw new InvalidOperationException($"The child said: {line}");
    }

    // Runs before the test runner's entry point; in the tests' own process the variable is not set.
    [ModuleInitializer]
    internal static void RunAsChild()
    {
        if (Environment.GetEnvironmentVariable(DirectoryVariable) is not { } stateDirectory) return;
        MobilityPathRequest request = JsonSerializer.Deserialize<MobilityPathRequest>(Environment.GetEnvironmentVariable(RequestVariable)!)!;
        var options = new LocalHostOptions { Name = "victim", StateDirectory = stateDirectory, PathGateway = true };
        LocalHost host = LocalHost.OpenAsync(options, CancellationToken.None).GetAwaiter().GetResult();
        host.PreparePathAsync(request, CancellationToken.None).GetAwaiter().GetResult();
        using (Stream output = Console.OpenStandardOutput()) output.Write(System.Text.Encoding.ASCII.GetBytes($"{Made}\n"));
        Thread.Sleep(Timeout.Infinite);
    }
}
