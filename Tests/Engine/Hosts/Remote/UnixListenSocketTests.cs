using System.Net.Sockets;
using VmMigration.HostAgent.Control;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts.Remote;

public class UnixListenSocketTests
{
    private static readonly UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    [Fact]
    public async Task Of_many_that_open_one_path_at_once_over_a_dead_socket_one_listens_and_can_be_reached()
    {
        using var scratch = new ScratchDirectory();
        string path = Path.Combine(scratch.Path, "agent.sock");
        for (int round = 0; round < 20; round++)
        {
            // As a killed agent leaves it.
            using (var dead = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            {
                string left = path + ".dead";
                dead.Bind(new UnixDomainSocketEndPoint(left));
                File.Move(left, path, overwrite: true);
            }

            using var start = new Barrier(4);
            Task<Socket?>[] opening =
            [
                .. Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(
                    () =>
                    {
                        start.SignalAndWait();
                        return TryBind(path);
                    },
                    TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default)),
            ];
            Socket?[] opened = await Task.WhenAll(opening);
            using Socket listening = Assert.Single(opened.OfType<Socket>());
            using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await client.ConnectAsync(new UnixDomainSocketEndPoint(path), TestContext.Current.CancellationToken);
            using Socket accepted = await listening.AcceptAsync(TestContext.Current.CancellationToken);
        }
    }

    private static Socket? TryBind(string path)
    {
        try
        {
            return UnixListenSocket.Bind(new(path) { Mode = mode });
        }
        catch (MigrationException refusal)
        {
            Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
            return null;
        }
    }
}
