using System.Net;
using System.Net.Sockets;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Protocol;

/// <summary>A destination whose kernel takes the connection and whose engine never answers.</summary>
public sealed class MigrationDialerTests : IDisposable
{
    private readonly TcpListener mute = new(IPAddress.Loopback, 0);

    public MigrationDialerTests() => mute.Start();

    public void Dispose() => mute.Dispose();

    [Fact]
    public async Task A_destination_that_never_answers_the_hello_is_given_up()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        ConnectionRole[] roles = [ConnectionRole.Control, ConnectionRole.Data, ConnectionRole.Outcome];
        await Task.WhenAll(roles.Select(async role =>
        {
            var failure = await Assert.ThrowsAsync<MigrationException>(
                () => DialAsync(role, cancellation).WaitAsync(TimeSpan.FromSeconds(30), cancellation));
            Assert.Equal(MigrationErrorReason.ConnectionLost, failure.Reason);
            Assert.Contains("'mute'", failure.Message, StringComparison.Ordinal);
            Assert.Contains("no answer in 10 s", failure.Message, StringComparison.Ordinal);
        }));
    }

    [Theory]
    [InlineData(nameof(ConnectionRole.Control))]
    [InlineData(nameof(ConnectionRole.Data))]
    public async Task Waiting_for_the_answer_can_be_cancelled(string role)
    {
        using var cancelling = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        Task dialing = DialAsync(Enum.Parse<ConnectionRole>(role), cancelling.Token);
        using TcpClient accepted = await mute.AcceptTcpClientAsync(TestContext.Current.CancellationToken);

        await cancelling.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dialing.WaitAsync(TimeSpan.FromSeconds(5)));
    }

    private Task DialAsync(ConnectionRole role, CancellationToken cancellation)
    {
        var endpoint = (IPEndPoint)mute.LocalEndpoint;
        var offer = new IncomingOffer(
            Guid.NewGuid(), "mute", endpoint.Address.ToString(), endpoint.Port, new byte[Hello.TicketBytes]);
        var dialer = new MigrationDialer(offer);
        return role switch
        {
            ConnectionRole.Control => dialer.ConnectControlAsync(ConnectionRole.Control, cancellation),
            ConnectionRole.Data => Task.Run(() => dialer.ConnectData(0, cancellation), CancellationToken.None),
            _ => dialer.AskOutcomeAsync(cancellation),
        };
    }
}
