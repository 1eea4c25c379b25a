using System.ComponentModel;
using System.Text.Json;
using CliWrap;
using CliWrap.Buffered;

namespace VmMigration.Engine.Disks;

/// <summary>qemu-img (qemu-img(1)) of the distribution, which knows what is inside an image.</summary>
internal static class QemuImage
{
    private const string Name = "qemu-img";
    /// <summary>How it comes onto a machine.</summary>
    public const string InstallAction =
        "Install it: 'apt-get install qemu-utils' on Debian and Ubuntu, 'dnf install qemu-img' on Fedora.";

    private static readonly TimeSpan limit = TimeSpan.FromSeconds(60);

    /// <summary>Reads what an image says of itself; others may be using it.</summary>
    /// <param name="path">The image.</param>
    /// <param name="format">Its format: never guessed, for a guest writes what a raw image begins with.</param>
    /// <param name="cancellationToken">Kills the program.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.DiskFormatUnsupported"/> with the program's words where the image is damaged;
    /// <see cref="MigrationErrorReason.PrerequisiteMissing"/> without the program.
    /// </exception>
    public static async Task<QemuImageInfo> InspectAsync(string path, DiskFormat format, CancellationToken cancellationToken)
    {
        string[] arguments = ["info", "--force-share", "--output=json", "-f", NameOf(format), path];
        BufferedCommandResult result = await RunAsync(arguments, cancellationToken).ConfigureAwait(false);
        if (result.ExitCode != 0)
        {
            throw new MigrationException(
                MigrationErrorReason.DiskFormatUnsupported, $"'{path}' is no {NameOf(format)} image that can be read: {Words(result)}",
                "See with 'qemu-img check' whether it is damaged.");
        }

        return JsonSerializer.Deserialize(result.StandardOutput, QemuImageJson.Default.QemuImageInfo)
            ?? throw new MigrationException(MigrationErrorReason.DiskFormatUnsupported, $"'{Name} info' said nothing about '{path}'.");
    }

    /// <summary>Makes an empty image.</summary>
    /// <param name="path">Where; a file there is replaced.</param>
    /// <param name="format">Its format.</param>
    /// <param name="virtualSizeBytes">Size of its disk.</param>
    /// <param name="cancellationToken">Kills the program.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.SystemCallFailed"/> with the program's words; <see cref="MigrationErrorReason.PrerequisiteMissing"/>.
    /// </exception>
    public static async Task MakeAsync(string path, DiskFormat format, long virtualSizeBytes, CancellationToken cancellationToken)
    {
        string size = virtualSizeBytes.ToString(System.Globalization.CultureInfo.InvariantCulture);
        BufferedCommandResult result =
            await RunAsync(["create", "-q", "-f", NameOf(format), path, size], cancellationToken).ConfigureAwait(false);
        if (result.ExitCode == 0) return;
        throw new MigrationException(
            MigrationErrorReason.SystemCallFailed, $"'{path}' could not be made: {Words(result)}", "Mend the reason, and start the transfer again.");
    }

    /// <summary>
    /// Frees what an image that was not closed counts as used and does not use (qemu-img(1), check -r leaks); what it says is damaged is left.
    /// </summary>
    /// <returns>What is damaged; null for nothing.</returns>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.PrerequisiteMissing"/>; <see cref="MigrationErrorReason.TimedOut"/>.</exception>
    public static async Task<string?> RepairLeaksAsync(string path, DiskFormat format, CancellationToken cancellationToken)
    {
        BufferedCommandResult result =
            await RunAsync(["check", "-q", "-r", "leaks", "-f", NameOf(format), path], cancellationToken).ConfigureAwait(false);
        return result.ExitCode == 0 ? null : $"exit code {result.ExitCode} of '{Name} check': {Words(result)}";
    }

    /// <summary>A format as QEMU names it.</summary>
    public static string NameOf(DiskFormat format) => format switch
    {
        DiskFormat.Raw => "raw",
        DiskFormat.Qcow2 => "qcow2",
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, null),
    };

    /// <summary>The format that QEMU names so; null for others.</summary>
    public static DiskFormat? FormatOf(string? name) => name switch
    {
        "raw" => DiskFormat.Raw,
        "qcow2" => DiskFormat.Qcow2,
        _ => null,
    };

    private static async Task<BufferedCommandResult> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(limit);
        try
        {
            return await Cli.Wrap(Name).WithArguments(arguments).WithValidation(CommandResultValidation.None)
                .WithEnvironmentVariables(variables => variables.Set("LC_ALL", "C"))
                .ExecuteBufferedAsync(deadline.Token).ConfigureAwait(false);
        }
        catch (Win32Exception error)
        {
            throw new MigrationException(MigrationErrorReason.PrerequisiteMissing, $"The program '{Name}' is missing.", InstallAction, error);
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new MigrationException(
                MigrationErrorReason.TimedOut, $"'{Name} {string.Join(' ', arguments)}' did not end in {limit.TotalSeconds:F0} s.",
                "See whether the storage that the image lies on answers.", error);
        }
    }

    private static string Words(BufferedCommandResult result) =>
        string.Join("; ", result.StandardError.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
}
