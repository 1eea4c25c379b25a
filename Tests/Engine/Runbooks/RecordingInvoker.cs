using System.Collections.Concurrent;
using VmMigration.Engine.Runbooks.Execution;

namespace VmMigration.Engine.Tests.Runbooks;

/// <summary>Records the calls of steps and answers them as the test says.</summary>
internal sealed class RecordingInvoker : IStepInvoker
{
    private readonly ReflectionProperties properties = new();
    private int underWay;

    /// <summary>The calls so far, in the order they began.</summary>
    public ConcurrentQueue<StepInvocation> Calls { get; } = new();

    /// <summary>Most calls that were under way at once.</summary>
    public int MostAtOnce { get; private set; }

    /// <summary>Answers a call; null returns nothing.</summary>
    public Func<StepInvocation, CancellationToken, Task<IReadOnlyList<object?>>>? Answer { get; init; }

    public IEnumerable<string> StepIds => Calls.Select(call => call.StepId);

    public async Task<IReadOnlyList<object?>> InvokeAsync(
        StepInvocation invocation, IProgress<StepActivity>? activity, CancellationToken cancellationToken)
    {
        Calls.Enqueue(invocation);
        lock (properties) MostAtOnce = Math.Max(MostAtOnce, ++underWay);
        try
        {
            activity?.Report(new() { Activity = invocation.StepId, PercentComplete = 50 });
            return Answer is null ? [] : await Answer(invocation, cancellationToken);
        }
        finally
        {
            lock (properties) underWay--;
        }
    }

    public bool TryGetProperty(object source, string name, out object? value) => properties.TryGetProperty(source, name, out value);
}
