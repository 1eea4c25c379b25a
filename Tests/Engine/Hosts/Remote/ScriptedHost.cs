using System.Reflection;
using VmMigration.Engine.Hosts;

namespace VmMigration.Engine.Tests.Hosts.Remote;

/// <summary>A host that answers each call as a test says.</summary>
public class ScriptedHost : DispatchProxy
{
    private Func<MethodInfo, object?[], object?> answer = (_, _) => throw new NotSupportedException();

    /// <summary>Makes a host of the name <c>scripted</c>.</summary>
    /// <param name="answer">Gets the member that is called with its arguments, and returns what it returns or throws.</param>
    public static IMigrationHost Make(Func<MethodInfo, object?[], object?> answer)
    {
        IMigrationHost host = Create<IMigrationHost, ScriptedHost>();
        ((ScriptedHost)host).answer = answer;
        return host;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => targetMethod!.Name switch
    {
        nameof(IAsyncDisposable.DisposeAsync) => ValueTask.CompletedTask,
        nameof(IMigrationHost.DescribeAsync) => Task.FromResult(new HostDescription
        {
            Name = "scripted",
            MachineName = "nowhere",
            ProcessorCount = 1,
            MemoryBytes = 1,
            AvailableMemoryBytes = 1,
            StateDirectory = "/nowhere",
            Endpoint = "127.0.0.1:1",
            Hypervisors = new Dictionary<Engine.Hypervisors.HypervisorKind, string?>(),
        }),
        _ => answer(targetMethod, args ?? []),
    };
}
