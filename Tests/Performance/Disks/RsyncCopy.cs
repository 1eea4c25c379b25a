namespace VmMigration.Performance.Disks;

/// <summary>rsync(1) to a daemon of its own on the loopback address, for the whole comparison.</summary>
internal sealed class RsyncCopy : IDiskCopyWay
{
    private readonly CopyCommand daemon;
    private readonly string port;

    private RsyncCopy(CopyCommand daemon, string port)
    {
        this.daemon = daemon;
        this.port = port;
    }

    public string Name => "rsync";

    public bool IsNetworkPeer => true;

    /// <summary>Starts the daemon.</summary>
    /// <param name="directory">Where the copies go.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async Task<RsyncCopy> StartAsync(string directory, CancellationToken cancellationToken)
    {
        string configuration = Path.Combine(directory, "rsyncd.conf");
        await File.WriteAllTextAsync(
            configuration, $"use chroot = no\nuid = root\ngid = root\n[copies]\npath = {directory}\nread only = no\n", cancellationToken);
        string port = LoopbackPort.FindFree();
        CopyCommand daemon = await CopyCommand.StartAsync(
            "rsync", "--daemon", "--no-detach", $"--config={configuration}", $"--port={port}", "--address=127.0.0.1");
        await LoopbackPort.WaitAsync(port, daemon, cancellationToken);
        return new(daemon, port);
    }

    public Task PrepareAsync(string targetPath, long sizeBytes, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task CopyAsync(string imagePath, string targetPath, CancellationToken cancellationToken) => CopyCommand.RunAsync(
        ["rsync", "--inplace", "--sparse", imagePath, $"rsync://127.0.0.1:{port}/copies/{Path.GetFileName(targetPath)}"], cancellationToken);

    public Task FinishAsync() => Task.CompletedTask;

    public ValueTask DisposeAsync() => daemon.DisposeAsync();
}
