namespace VmMigration.Performance.Disks;

/// <summary>qemu-img convert to an export of qemu-nbd on the loopback address. It flushes the export at its end.</summary>
/// <param name="unordered">Whether blocks are written out of order, by 16 coroutines.</param>
internal sealed class NbdCopy(bool unordered) : IDiskCopyWay
{
    private CopyCommand? server;
    private string port = "";

    public string Name => NameOf(unordered);

    public bool IsNetworkPeer => true;

    public static string NameOf(bool unordered) => unordered ? "nbd -W" : "nbd";

    public async Task PrepareAsync(string targetPath, long sizeBytes, CancellationToken cancellationToken)
    {
        await using (var target = new FileStream(targetPath, FileMode.CreateNew)) target.SetLength(sizeBytes);
        port = LoopbackPort.FindFree();
        server = await CopyCommand.StartAsync(
            "qemu-nbd", "-f", "raw", "-x", "copy", "-b", "127.0.0.1", "-p", port, "--cache=writeback", "--discard=unmap", targetPath);
        await LoopbackPort.WaitAsync(port, server, cancellationToken);
    }

    public Task CopyAsync(string imagePath, string targetPath, CancellationToken cancellationToken)
    {
        string[] order = unordered ? ["-W", "-m", "16"] : [];
        return CopyCommand.RunAsync(
            [
                "qemu-img", "convert", "-n", "--target-is-zero", .. order, "-f", "raw", "-O", "raw", imagePath, $"nbd://127.0.0.1:{port}/copy",
            ],
            cancellationToken);
    }

    public async Task FinishAsync()
    {
        if (server is not null) await server.DisposeAsync();
        server = null;
    }

    public async ValueTask DisposeAsync() => await FinishAsync();
}
