using System.Diagnostics;
using Xunit;

namespace VmMigration.Functional.Tests.HostAgent;

/// <summary>What an agent writes, line by line.</summary>
internal sealed class AgentOutput
{
    private const string ListeningPrefix = "Listening on ";
    private const string MetricsPrefix = "Metrics at ";
    private const string MigrationPrefix = "VMs arrive at ";

    private static readonly TimeSpan waitLimit = TimeSpan.FromSeconds(30);

    private readonly Lock gate = new();
    private readonly List<string> lines = [];
    private readonly List<(string Text, TaskCompletionSource Seen)> awaited = [];
    private readonly TaskCompletionSource listening = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Text
    {
        get { lock (gate) return string.Join('\n', lines); }
    }

    /// <summary>Ends when the agent has said where it can be reached.</summary>
    public Task Listening => listening.Task;

    public IEnumerable<Uri> Endpoints => Find(ListeningPrefix).Select(text => new Uri(text));

    public Uri? Metrics => Find(MetricsPrefix).Select(text => new Uri(text)).FirstOrDefault();

    public string? MigrationEndpoint => Find(MigrationPrefix).FirstOrDefault();

    public void Follow(Process process)
    {
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public async Task WaitForAsync(string text, CancellationToken cancellationToken)
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            if (lines.Any(line => line.Contains(text, StringComparison.Ordinal))) return;
            awaited.Add((text, seen));
        }

        Task first = await Task.WhenAny(seen.Task, Task.Delay(waitLimit, cancellationToken));
        cancellationToken.ThrowIfCancellationRequested();
        if (first != seen.Task) Assert.Fail($"The agent did not write '{text}' within {waitLimit}; it wrote:\n{Text}");
    }

    private List<string> Find(string prefix)
    {
        lock (gate) return [.. lines.Where(line => line.StartsWith(prefix, StringComparison.Ordinal)).Select(line => line[prefix.Length..])];
    }

    private void Take(string? line)
    {
        if (line is null) return;
        lock (gate)
        {
            lines.Add(line);
            foreach ((_, TaskCompletionSource seen) in awaited.Where(wait => line.Contains(wait.Text, StringComparison.Ordinal))) seen.TrySetResult();
        }

        // The last thing it says of its start.
        if (line == "Ready.") listening.TrySetResult();
    }
}
