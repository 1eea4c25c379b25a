using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using VmMigration.Engine.Hosts.Certificates;
using Xunit;

namespace VmMigration.Functional.Tests.HostAgent;

/// <summary>Who is let in by a real agent, and who is not. All tests talk to one agent, which must survive all of them.</summary>
public sealed class AgentAccessTests : IAsyncLifetime
{
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(20);

    private AgentLab lab = null!;
    private AgentProcess agent = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        lab = await AgentLab.CreateAsync();
        agent = await lab.StartAsync(new() { Name = "guarded" }, Cancel);
    }

    public ValueTask DisposeAsync() => lab.DisposeAsync();

    [Fact]
    public async Task A_client_of_the_authority_is_let_in() => await AssertLetInAsync(lab.ClientCertificate);

    [Fact]
    public Task A_client_without_a_certificate_is_refused_and_logged() => AssertRefusedAsync(null, "it showed no certificate");

    [Fact]
    public async Task A_client_of_another_authority_is_refused_and_logged()
    {
        using var stranger = LabCertificateAuthority.OpenOrCreate(Path.Combine(lab.Root, "stranger"));
        await AssertRefusedAsync(stranger.Issue(new() { Name = "intruder", Purposes = CertificatePurposes.Client }),
            "its certificate is of no authority that is trusted here (subject CN=intruder");
    }

    [Fact]
    public Task An_expired_client_certificate_is_refused_and_logged() => AssertRefusedAsync(lab.Authority.Issue(new()
    {
        Name = "late", Purposes = CertificatePurposes.Client, ValidFrom = DateTimeOffset.UtcNow.AddMinutes(-4), Lifetime = TimeSpan.FromMinutes(2),
    }), "its certificate expired on ");

    [Fact]
    public Task A_client_certificate_of_tomorrow_is_refused_and_logged() => AssertRefusedAsync(lab.Authority.Issue(new()
    {
        Name = "early", Purposes = CertificatePurposes.Client, ValidFrom = DateTimeOffset.UtcNow.AddDays(1),
    }), "its certificate is not valid before ");

    [Fact]
    public Task A_server_certificate_does_not_make_a_client() => AssertRefusedAsync(
        lab.Authority.Issue(new() { Name = "server-only", Purposes = CertificatePurposes.Server }),
        "its certificate is not for TLS clients (extended key usage) (subject CN=server-only");

    [Fact]
    public async Task An_older_tls_is_refused_and_logged()
    {
        using var client = new TcpClient(AddressFamily.InterNetwork);
        await client.ConnectAsync(agent.Uri.Host, agent.Uri.Port, Cancel);
        await using var stream = new SslStream(client.GetStream());
        SslClientAuthenticationOptions options = MakeOptions(lab.ClientCertificate);
        options.EnabledSslProtocols = SslProtocols.Tls12;

        await Assert.ThrowsAnyAsync<Exception>(() => stream.AuthenticateAsClientAsync(options, Cancel));

        await AssertLoggedAsync(client, "it did not complete a TLS 1.3 handshake");
    }

    [Theory]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: agent\r\n\r\n")]
    public Task A_plain_text_client_is_refused_and_logged(string text) => AssertGarbageRefusedAsync(Encoding.ASCII.GetBytes(text));

    [Fact]
    public async Task Garbage_is_refused_and_logged()
    {
        var random = new Random(4711);
        for (int round = 0; round < 20; round++)
        {
            byte[] garbage = new byte[random.Next(1, 4096)];
            random.NextBytes(garbage);

            // A record that looks like TLS makes the server read on; half of the rounds begin like one.
            if (round % 2 == 0 && garbage.Length > 5) (garbage[0], garbage[1], garbage[2], garbage[3]) = (0x16, 0x03, 0x01, 0);
            await AssertGarbageRefusedAsync(garbage);
        }
    }

    [Fact]
    public async Task Only_the_names_of_the_list_are_let_in()
    {
        AgentProcess choosy = await lab.StartAsync(new()
        {
            Name = "choosy", Configure = configuration => configuration["control"]!["clients"] = "somebody",
        }, Cancel);
        IssuedCertificate somebody = lab.Authority.Issue(new() { Name = "somebody", Purposes = CertificatePurposes.Client });
        using var listed = X509Certificate2.CreateFromPemFile(somebody.CertificatePath, somebody.KeyPath);

        await AssertLetInAsync(listed, choosy);
        await Assert.ThrowsAsync<HttpRequestException>(() => CallAsync(lab.ClientCertificate, choosy));

        await choosy.WaitForLogAsync("the name in its certificate is none of those that are let in (subject CN=client", Cancel);
    }

    [Fact]
    public async Task New_certificates_are_taken_up_without_a_restart()
    {
        using X509Certificate2 before = await ReadShownAsync();
        lab.Authority.Issue(new() { Name = agent.Name, Addresses = ["127.0.0.1"] });

        string shown = before.SerialNumber;
        for (var limit = new CancellationTokenSource(patience); shown == before.SerialNumber; await Task.Delay(100, limit.Token))
        {
            using X509Certificate2 now = await ReadShownAsync();
            shown = now.SerialNumber;
        }

        await AssertLetInAsync(lab.ClientCertificate);
    }

    [Fact]
    public async Task Certificates_that_do_not_fit_leave_the_old_ones_in_use()
    {
        IssuedCertificate other = lab.Authority.Issue(new() { Name = "other" });
        string key = Path.Combine(Path.GetDirectoryName(other.KeyPath)!, "guarded.key");
        File.Copy(other.KeyPath, key, overwrite: true);

        for (var limit = new CancellationTokenSource(patience); !agent.Log.Contains("New certificates are not taken up", StringComparison.Ordinal);
            await Task.Delay(100, limit.Token))
        {
            await AssertLetInAsync(lab.ClientCertificate);
        }
    }

    private async Task AssertRefusedAsync(IssuedCertificate? issued, string reason)
    {
        using X509Certificate2? certificate = issued is null ? null : X509Certificate2.CreateFromPemFile(issued.CertificatePath, issued.KeyPath);

        await Assert.ThrowsAsync<HttpRequestException>(() => CallAsync(certificate, agent));

        await agent.WaitForLogAsync(reason, Cancel);
        await AssertLetInAsync(lab.ClientCertificate);
    }

    private async Task AssertGarbageRefusedAsync(byte[] bytes)
    {
        using var client = new TcpClient(AddressFamily.InterNetwork);
        await client.ConnectAsync(agent.Uri.Host, agent.Uri.Port, Cancel);
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync(bytes, Cancel);
        client.Client.Shutdown(SocketShutdown.Send);
        await DrainAsync(stream);
        await AssertLoggedAsync(client, "it did not complete a TLS 1.3 handshake");
        await AssertLetInAsync(lab.ClientCertificate);
    }

    private Task AssertLoggedAsync(TcpClient client, string reason)
    {
        var endpoint = (IPEndPoint)client.Client.LocalEndPoint!;
        return agent.WaitForLogAsync($"Refused {endpoint} at {agent.Uri.Host}:{agent.Uri.Port}: {reason}", Cancel);
    }

    private Task AssertLetInAsync(X509Certificate2 certificate) => AssertLetInAsync(certificate, agent);

    // Behind TLS there is no page: that answer comes from the agent.
    private async Task AssertLetInAsync(X509Certificate2 certificate, AgentProcess where) =>
        Assert.Equal(HttpStatusCode.NotFound, await CallAsync(certificate, where));

    private async Task<HttpStatusCode> CallAsync(X509Certificate2? certificate, AgentProcess where)
    {
        using var handler = new SocketsHttpHandler { SslOptions = MakeOptions(certificate) };
        using var client = new HttpClient(handler) { Timeout = patience };
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(where.Uri, "/nothing"))
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using HttpResponseMessage response = await client.SendAsync(request, Cancel);
        return response.StatusCode;
    }

    private async Task<X509Certificate2> ReadShownAsync()
    {
        using var client = new TcpClient(AddressFamily.InterNetwork);
        await client.ConnectAsync(agent.Uri.Host, agent.Uri.Port, Cancel);
        await using var stream = new SslStream(client.GetStream());
        await stream.AuthenticateAsClientAsync(MakeOptions(lab.ClientCertificate), Cancel);
        return X509CertificateLoader.LoadCertificate(stream.RemoteCertificate!.GetRawCertData());
    }

    private SslClientAuthenticationOptions MakeOptions(X509Certificate2? certificate)
    {
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = "127.0.0.1",
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            CertificateChainPolicy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck },
        };
        options.CertificateChainPolicy.CustomTrustStore.Add(lab.AuthorityCertificate);
        if (certificate is not null) options.LocalCertificateSelectionCallback = (_, _, _, _, _) => certificate;
        return options;
    }

    /// <summary>Reads until the other side closes, orderly or not.</summary>
    private static async Task DrainAsync(NetworkStream stream)
    {
        byte[] buffer = new byte[1024];
        try
        {
            while (await stream.ReadAsync(buffer, Cancel).AsTask().WaitAsync(patience, Cancel) > 0) { }
        }
        catch (IOException)
        {
            // A reset is a refusal as well.
        }
    }
}
