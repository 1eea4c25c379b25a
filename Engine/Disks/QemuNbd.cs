using System.ComponentModel;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace VmMigration.Engine.Disks;

/// <summary>
/// A qemu-nbd(1) that serves one image on a unix socket only this account can reach. It ends with its last connection, and with this
/// process; once all connections stand, the socket's directory is removed. An engine that is killed before leaves that directory, with a
/// socket on which nobody listens.
/// </summary>
internal sealed class QemuNbd : IAsyncDisposable
{
    private const string Program = "qemu-nbd";
    private const int MaxWords = 2000;

    private static readonly TimeSpan startLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan endLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan connectInterval = TimeSpan.FromMilliseconds(5);

    private readonly Process process;
    private readonly string path;
    private readonly StringBuilder words = new();
    private readonly Task reading;

    private QemuNbd(Process process, string path)
    {
        this.process = process;
        this.path = path;
        process.StandardInput.Close();
        reading = Task.WhenAll(KeepAsync(process.StandardOutput), KeepAsync(process.StandardError));
    }

    /// <summary>Its process id.</summary>
    public int ProcessId => process.Id;

    /// <summary>Serves an image, and connects to it.</summary>
    /// <param name="path">The image, by an absolute path.</param>
    /// <param name="format">Its format: never guessed.</param>
    /// <param name="isReadOnly">Whether it is only read; others may read it meanwhile then.</param>
    /// <param name="connections">How many connections are made.</param>
    /// <param name="cancellationToken">Cancels it: nothing is left then.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.PrerequisiteMissing"/>; <see cref="MigrationErrorReason.DiskFormatUnsupported"/> with the program's
    /// words where it cannot serve the image; <see cref="MigrationErrorReason.TimedOut"/>.
    /// </exception>
    public static async Task<(QemuNbd Server, IReadOnlyList<NbdConnection> Connections)> StartAsync(
        string path, DiskFormat format, bool isReadOnly, int connections, CancellationToken cancellationToken)
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("vmm-nbd-");
        QemuNbd? server = null;
        List<NbdConnection> made = [];
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(startLimit);
        try
        {
            string socketPath = Path.Combine(directory.FullName, "s");
            string[] access = isReadOnly ? ["--read-only"] : ["--discard=unmap"];
            string[] arguments =
                ["-k", socketPath, $"--shared={connections}", "-f", QemuImage.NameOf(format), .. access, "--", path];
            server = new(await LaunchAsync(arguments).ConfigureAwait(false), path);
            while (made.Count < connections) made.Add(await server.ConnectAsync(socketPath, patience.Token).ConfigureAwait(false));
            return (server, made);
        }
        catch (Exception error)
        {
            foreach (NbdConnection connection in made) connection.Dispose();
            if (server is not null) await server.KillAsync().ConfigureAwait(false);
            if (error is not OperationCanceledException || cancellationToken.IsCancellationRequested) throw;
            throw new MigrationException(
                MigrationErrorReason.TimedOut, $"{Program} did not serve '{path}' within {startLimit.TotalSeconds:F0} s.",
                "See whether the storage that the image lies on answers.", error);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    /// <summary>Waits until it has closed the image, after the last connection was closed.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.TimedOut"/> where it hangs: it is killed then.</exception>
    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(endLimit);
        try
        {
            await process.WaitForExitAsync(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException error)
        {
            await KillAsync().ConfigureAwait(false);
            throw new MigrationException(
                MigrationErrorReason.TimedOut, $"{Program} did not close '{path}' within {endLimit.TotalSeconds:F0} s and was killed.",
                "See whether the storage that the image lies on answers.", error);
        }

        await reading.ConfigureAwait(false);
        process.Dispose();
    }

    private static async Task<Process> LaunchAsync(string[] arguments)
    {
        try
        {
            return await TiedPrograms.StartAsync(Program, arguments).ConfigureAwait(false);
        }
        catch (Win32Exception error)
        {
            throw new MigrationException(
                MigrationErrorReason.PrerequisiteMissing, $"The program 'setpriv' cannot be run: {error.Message}", "Install util-linux.", error);
        }
    }

    /// <summary>Connects as soon as it listens: until then connect(2) fails, and it says in no other way that it does.</summary>
    private async Task<NbdConnection> ConnectAsync(string socketPath, CancellationToken cancellationToken)
    {
        while (true)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken).ConfigureAwait(false);
                NbdExport export = await Task.Run(() => Shake(socket), cancellationToken).ConfigureAwait(false);
                return new(socket, export, path);
            }
            catch (SocketException error)
            {
                socket.Dispose();
                if (process.HasExited) throw await EndedAsync(error).ConfigureAwait(false);
                await Task.Delay(connectInterval, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
    }

    private NbdExport Shake(Socket socket)
    {
        int limit = (int)startLimit.TotalMilliseconds;
        (socket.ReceiveTimeout, socket.SendTimeout) = (limit, limit);
        NbdExport export = NbdHandshake.Run(socket, path);

        // Afterwards an answer takes as long as the storage does.
        (socket.ReceiveTimeout, socket.SendTimeout) = (0, 0);
        return export;
    }

    private async Task<MigrationException> EndedAsync(Exception error)
    {
        await reading.ConfigureAwait(false);
        string said;
        lock (words) said = words.ToString().ReplaceLineEndings("; ").Trim(' ', ';');

        // setpriv(1) exits with 127 where the program is not found, and with 126 where it cannot be run.
        if (process.ExitCode is 126 or 127)
        {
            return new(MigrationErrorReason.PrerequisiteMissing, $"The program '{Program}' cannot be run: {said}", QemuImage.InstallAction, error);
        }

        MigrationErrorReason reason = said.Contains("lock", StringComparison.Ordinal) ? MigrationErrorReason.DiskInUse
            : said.Contains("No space left", StringComparison.Ordinal) ? MigrationErrorReason.OutOfSpace
            : MigrationErrorReason.DiskFormatUnsupported;
        return new(
            reason, $"{Program} cannot serve '{path}' (exit code {process.ExitCode}): {said}",
            reason == MigrationErrorReason.DiskInUse
                ? "Stop what uses the image." : "See with 'qemu-img check' whether the image, or one it is an overlay of, is missing or damaged.",
            error);
    }

    private async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        await reading.ConfigureAwait(false);
        process.Dispose();
    }

    private async Task KeepAsync(StreamReader output)
    {
        while (await output.ReadLineAsync().ConfigureAwait(false) is { } line)
        {
            lock (words)
            {
                if (words.Length < MaxWords) words.AppendLine(line);
            }
        }
    }
}
