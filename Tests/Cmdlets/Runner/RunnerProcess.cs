using System.Diagnostics;
using System.Runtime.InteropServices;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

/// <summary>The runner as a process of its own, with its output caught line by line.</summary>
internal sealed partial class RunnerProcess : IDisposable
{
    private const int SigInt = 2;

    private readonly Process process;
    private readonly Lock gate = new();
    private readonly List<string> lines = [];
    private readonly List<(string Text, TaskCompletionSource Seen)> awaited = [];

    public RunnerProcess(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])[BuildOutput.RunnerPath, .. arguments]) start.ArgumentList.Add(argument);
        process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>What it wrote so far, output and errors together.</summary>
    public string Output
    {
        get { lock (gate) return string.Join('\n', lines); }
    }

    /// <summary>Waits until a line with this text was written.</summary>
    public Task WaitForAsync(string text, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (lines.Any(line => line.Contains(text, StringComparison.Ordinal))) return Task.CompletedTask;
            var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            awaited.Add((text, seen));
            return seen.Task.WaitAsync(TimeSpan.FromMinutes(1), cancellationToken);
        }
    }

    /// <summary>What Ctrl+C sends.</summary>
    public void Interrupt() => Assert.Equal(0, Kill(process.Id, SigInt));

    public async Task<int> WaitForExitAsync(CancellationToken cancellationToken)
    {
        await process.WaitForExitAsync(cancellationToken).WaitAsync(TimeSpan.FromMinutes(5), cancellationToken);
        return process.ExitCode;
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill();
        process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int processId, int signal);

    private void Take(string? line)
    {
        if (line is null) return;
        lock (gate)
        {
            lines.Add(line);
            foreach ((_, TaskCompletionSource seen) in awaited.Where(wait => line.Contains(wait.Text, StringComparison.Ordinal))) seen.TrySetResult();
        }
    }
}
