using System.ComponentModel;
using System.Text;
using CliWrap;
using CliWrap.Buffered;

namespace VmMigration.Engine.Paths;

/// <summary>
/// A program that configures the kernel's network: <c>ip</c> of iproute2 (ip(8)) or <c>nft</c> of nftables (nft(8)). It gets a list of
/// arguments and its commands on standard input, never a shell's text.
/// </summary>
internal sealed class NetworkProgram
{
    // Accounts without administrator's rights often have no sbin in their PATH.
    private static readonly string[] systemDirectories = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

    private readonly string name;
    private readonly string package;
    private readonly Lazy<string?> file;

    private NetworkProgram(string name, string package)
    {
        this.name = name;
        this.package = package;
        file = new(Find);
    }

    /// <summary>Devices, addresses and routes.</summary>
    public static NetworkProgram Ip { get; } = new("ip", "iproute2");

    /// <summary>Rules that rewrite and filter packets.</summary>
    public static NetworkProgram Nft { get; } = new("nft", "nftables");

    /// <summary>Why it cannot be started, and what to install; null where it can.</summary>
    public string? Obstacle => file.Value is null ? $"the program '{name}' is missing: install the package {package}." : null;

    /// <summary>Runs it to its end.</summary>
    /// <param name="network">Where it runs.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="input">Its commands.</param>
    /// <param name="purpose">What it is to do, as the message of a failure names it: 'make …'.</param>
    /// <param name="cancellationToken">Kills it.</param>
    /// <returns>What it wrote to standard output.</returns>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.PrerequisiteMissing"/>, <see cref="MigrationErrorReason.AccessDenied"/>,
    /// <see cref="MigrationErrorReason.InvalidState"/> where the kernel has something of that name or number already, or
    /// <see cref="MigrationErrorReason.SystemCallFailed"/>; each with what the program wrote to standard error.
    /// </exception>
    public async Task<string> RunAsync(
        PathNetwork network, IReadOnlyList<string> arguments, string input, string purpose, CancellationToken cancellationToken)
    {
        if (file.Value is not { } path)
        {
            throw new MigrationException(
                MigrationErrorReason.PrerequisiteMissing, $"Could not {purpose}: {Obstacle}", $"Install the package {package}.");
        }

        Command command = Cli.Wrap(path)
            .WithArguments(arguments)
            .WithStandardInputPipe(PipeSource.FromString(input, Encoding.ASCII))
            .WithEnvironmentVariables(variables => variables.Set("LC_ALL", "C"))
            .WithValidation(CommandResultValidation.None);
        BufferedCommandResult result;
        try
        {
            // CliWrap starts the process before its call returns, so it is a child of the thread that is inside.
            result = await network.Run(() => command.ExecuteBufferedAsync(cancellationToken)).ConfigureAwait(false);
        }
        catch (Win32Exception error)
        {
            throw new MigrationException(
                MigrationErrorReason.PrerequisiteMissing, $"Could not {purpose}: '{path}' does not start: {error.Message}",
                $"Install the package {package} anew.", error);
        }

        return result.ExitCode == 0 ? result.StandardOutput : throw Failure(purpose, arguments, result);
    }

    private MigrationException Failure(string purpose, IReadOnlyList<string> arguments, BufferedCommandResult result)
    {
        string said = string.Join("; ", result.StandardError.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        string message = $"Could not {purpose}: '{name} {string.Join(' ', arguments)}' ended with {result.ExitCode}: {said}";
        if (said.Contains("not permitted", StringComparison.Ordinal) || said.Contains("Permission denied", StringComparison.Ordinal))
        {
            return new(MigrationErrorReason.AccessDenied, message, "Run as root, or grant the account CAP_NET_ADMIN and CAP_SYS_ADMIN.");
        }

        if (said.Contains("File exists", StringComparison.Ordinal) || said.Contains("already exists", StringComparison.Ordinal)
            || said.Contains("in use", StringComparison.Ordinal))
        {
            return new(MigrationErrorReason.InvalidState, message, "Remove what has that name or number already, or make the path again.");
        }

        if (said.Contains("not supported", StringComparison.Ordinal) || said.Contains("Unknown device type", StringComparison.Ordinal))
        {
            return new(MigrationErrorReason.PrerequisiteMissing, message, "Use a kernel with the modules vxlan, nf_tables and nft_chain_nat.");
        }

        return new(MigrationErrorReason.SystemCallFailed, message, "See whether the addresses of the path fit the hosts' networks.");
    }

    private string? Find() => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Concat(systemDirectories).Select(directory => Path.Combine(directory, name)).FirstOrDefault(File.Exists);
}
