using VmMigration.Engine;
using VmMigration.HostAgent;
using VmMigration.HostAgent.Configuration;

namespace VmMigration.Runner;

/// <summary>Runs the agent of this machine until it is asked to stop, or only checks what it would do.</summary>
internal sealed class HostCommand(string? path, IReadOnlyDictionary<string, (string Value, string Origin)> overrides)
{
    /// <summary>Runs the agent.</summary>
    public async Task<ExitCode> ExecuteAsync()
    {
        if (ReadOptions() is not { } options) return ExitCode.Invalid;
        HostAgentServer agent;
        try
        {
            agent = await HostAgentServer.StartAsync(options, Console.Error, CancellationToken.None).ConfigureAwait(false);
        }
        catch (MigrationException failure)
        {
            Complain(failure);
            return failure.Reason == MigrationErrorReason.InvalidArgument ? ExitCode.Invalid : ExitCode.StepFailed;
        }

        await using (agent)
        {
            // For people and scripts; what happens from here on is logged to standard error.
            foreach (Uri endpoint in agent.Endpoints) Console.WriteLine($"Listening on {endpoint}");
            if (agent.MetricsEndpoint is { } metrics) Console.WriteLine($"Metrics at {metrics}");
            Console.WriteLine($"VMs arrive at {agent.MigrationEndpoint}");
            Console.WriteLine("Ready.");
            return await agent.WaitAsync().ConfigureAwait(false) ? ExitCode.Success : ExitCode.StoppedLate;
        }
    }

    /// <summary>Checks the configuration and says what this machine and this account can do.</summary>
    public async Task<ExitCode> CheckAsync()
    {
        if (ReadOptions() is not { } options) return ExitCode.Invalid;
        try
        {
            foreach (string line in await HostAgentCheck.RunAsync(options, CancellationToken.None).ConfigureAwait(false))
            {
                Console.WriteLine(line);
            }

            return ExitCode.Success;
        }
        catch (MigrationException failure)
        {
            Complain(failure);
            return ExitCode.Invalid;
        }
    }

    private HostAgentOptions? ReadOptions()
    {
        try
        {
            return HostAgentConfiguration.Read(path, overrides);
        }
        catch (MigrationException failure)
        {
            Complain(failure);
            return null;
        }
    }

    private static void Complain(MigrationException failure)
    {
        Console.Error.WriteLine(failure.Message);
        if (failure.RecommendedAction is { } action) Console.Error.WriteLine($"  {action}");
    }
}
