using System.Diagnostics;
using VmMigration.Functional.Tests.HostAgent;

namespace VmMigration.Performance.Disks;

/// <summary>A program that the kernel ends with this one.</summary>
internal sealed class CopyCommand : IAsyncDisposable
{
    private readonly Process process;
    private readonly Task<string> output;
    private readonly Task<string> errors;
    private readonly string commandLine;

    private CopyCommand(Process process, string commandLine)
    {
        this.process = process;
        this.commandLine = commandLine;
        output = process.StandardOutput.ReadToEndAsync();
        errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>Whether it runs no more.</summary>
    public bool HasExited => process.HasExited;

    /// <summary>Whether a program is installed.</summary>
    public static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(directory => File.Exists(Path.Combine(directory, program)));

    /// <summary>Starts a program.</summary>
    public static async Task<CopyCommand> StartAsync(params string[] commandLine) =>
        new(await TiedProcess.StartAsync([], commandLine), string.Join(' ', commandLine));

    /// <summary>Runs a program to its end.</summary>
    public static async Task RunAsync(string[] commandLine, CancellationToken cancellationToken)
    {
        await using CopyCommand command = await StartAsync(commandLine);
        await command.WaitAsync(cancellationToken);
    }

    /// <summary>Waits for its end.</summary>
    /// <exception cref="InvalidOperationException">It failed; with what it wrote.</exception>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        await process.WaitForExitAsync(cancellationToken);
        if (process.ExitCode != 0) throw new InvalidOperationException($"'{commandLine}' ended with {process.ExitCode}: {await errors}{await output}");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }
}
