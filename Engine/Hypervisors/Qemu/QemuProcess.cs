using System.Runtime.InteropServices;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>A QEMU process that is held on to: by its pidfd, so that no other can take its place, and by its QMP connection.</summary>
internal sealed class QemuProcess : IAsyncDisposable
{
    private const int LevelSocket = 1;
    private const int OptionPeerCredentials = 17;

    private QemuProcess(PidFd handle, QmpClient qmp)
    {
        Handle = handle;
        Qmp = qmp;
    }

    /// <summary>The process.</summary>
    public PidFd Handle { get; }

    /// <summary>Its QMP connection.</summary>
    public QmpClient Qmp { get; }

    /// <summary>Connects to the QEMU behind a QMP socket.</summary>
    /// <param name="socketPath">Path of the socket.</param>
    /// <param name="expectedProcessId">The process that must be behind it; null for any.</param>
    /// <param name="cancellationToken">Cancels the connecting.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.VmExited"/> where nobody listens, or another process does than was expected.
    /// </exception>
    public static async Task<QemuProcess> ConnectAsync(string socketPath, int? expectedProcessId, CancellationToken cancellationToken)
    {
        QmpClient qmp = await QmpClient.ConnectAsync(socketPath, cancellationToken).ConfigureAwait(false);
        PidFd? handle = null;
        try
        {
            int processId = ReadPeerProcessId(qmp);
            if (processId == 0)
            {
                throw new MigrationException(
                    MigrationErrorReason.AccessDenied, $"The QEMU at {socketPath} runs in another PID namespace.",
                    "Run the engine where it sees the process, for example on the host of the container.");
            }

            if (expectedProcessId is { } expected && expected != processId)
            {
                throw new MigrationException(
                    MigrationErrorReason.VmExited,
                    $"Process {processId} is behind {socketPath}; process {expected} was expected and is gone.");
            }

            handle = PidFd.Open(processId);

            // The number was read before the handle was opened: only a QEMU that still answers shows that it is the same process.
            await qmp.ExecuteAsync("query-name", cancellationToken).ConfigureAwait(false);
            return new(handle, qmp);
        }
        catch
        {
            handle?.Dispose();
            await qmp.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Qmp.DisposeAsync().ConfigureAwait(false);
        Handle.Dispose();
    }

    // The first member of struct ucred (unix(7)): for the end of a listening socket, who made it listen.
    private static int ReadPeerProcessId(QmpClient qmp)
    {
        Span<byte> credentials = stackalloc byte[3 * sizeof(int)];
        qmp.Socket.GetRawSocketOption(LevelSocket, OptionPeerCredentials, credentials);
        return MemoryMarshal.Read<int>(credentials);
    }
}
