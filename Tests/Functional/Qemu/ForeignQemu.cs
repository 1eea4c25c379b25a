using System.Diagnostics;
using System.Globalization;
using VmMigration.Engine.Native;

namespace VmMigration.Functional.Tests.Qemu;

/// <summary>A QEMU as an administrator or another tool would start it, not by the engine.</summary>
internal sealed class ForeignQemu : IAsyncDisposable
{
    private readonly DirectoryInfo directory;
    private PidFd? process;

    private ForeignQemu(string parentDirectory) =>
        directory = Directory.CreateDirectory(Path.Combine(parentDirectory, $"foreign-{Guid.NewGuid():N}"[..16]));

    public string QmpSocketPath => Path.Combine(directory.FullName, "monitor.sock");

    public string SerialLogPath => Path.Combine(directory.FullName, "console.log");

    public int ProcessId => process!.ProcessId;

    public static async Task<ForeignQemu> StartAsync(
        QemuTestHost host, CancellationToken cancellationToken, params string[] arguments)
    {
        var qemu = new ForeignQemu(host.StateDirectory);
        string pidFile = Path.Combine(qemu.directory.FullName, "pid");
        var info = new ProcessStartInfo("qemu-system-x86_64") { RedirectStandardError = true, RedirectStandardOutput = true };
        string[] common =
        [
            "-accel", "tcg", "-display", "none", "-serial", $"file:{qemu.SerialLogPath}", "-daemonize", "-pidfile", pidFile,
            "-qmp", $"unix:{qemu.QmpSocketPath},server=on,wait=off",
        ];
        foreach (string argument in common.Concat(arguments)) info.ArgumentList.Add(argument);
        using var starter = Process.Start(info)!;
        string errors = await starter.StandardError.ReadToEndAsync(cancellationToken);
        await starter.WaitForExitAsync(cancellationToken);
        if (starter.ExitCode != 0) throw new IOException($"QEMU did not start: {errors}");
        qemu.process = PidFd.Open(int.Parse(await File.ReadAllTextAsync(pidFile, cancellationToken), CultureInfo.InvariantCulture));
        return qemu;
    }

    public bool HasExited => process!.HasExited;

    public async ValueTask DisposeAsync()
    {
        if (process is not null)
        {
            process.SendSignal(PidFd.SignalKill);
            await process.Exited;
            process.Dispose();
        }

        if (directory.Exists) directory.Delete(recursive: true);
    }
}
