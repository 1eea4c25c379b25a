using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using VmMigration.Engine.Hosts.Certificates;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.HostAgent;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts.Remote;

/// <summary>What a client says of the agent's certificate, and of an agent that refuses its own.</summary>
public sealed class RemoteHostTlsTests : IDisposable
{
    private readonly ScratchDirectory directory = new();
    private readonly LabCertificateAuthority authority;
    private readonly X509Certificate2 authorityCertificate;
    private readonly X509Certificate2 client;

    public RemoteHostTlsTests()
    {
        authority = LabCertificateAuthority.OpenOrCreate(directory.File("ca"));
        authorityCertificate = X509CertificateLoader.LoadCertificateFromFile(authority.CertificatePath);
        client = Load(authority.Issue(new() { Name = "client", Purposes = CertificatePurposes.Client }));
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        client.Dispose();
        authorityCertificate.Dispose();
        authority.Dispose();
        directory.Dispose();
    }

    [Fact]
    public async Task Certificates_of_one_authority_bring_both_sides_together()
    {
        await using HostAgentServer agent = await StartAgentAsync();

        await using RemoteHost host = await RemoteHost.ConnectAsync(OptionsFor(agent.Endpoints.Single()), Cancel);

        Assert.Equal("tls", host.Name);
        Assert.Equal("tls", (await host.DescribeAsync(Cancel)).Name);
    }

    [Fact]
    public async Task An_agent_that_refuses_the_clients_certificate_is_understood()
    {
        await using HostAgentServer agent = await StartAgentAsync();
        using var stranger = LabCertificateAuthority.OpenOrCreate(directory.File("stranger"));
        using X509Certificate2 intruder = Load(stranger.Issue(new() { Name = "intruder", Purposes = CertificatePurposes.Client }));

        MigrationException error = await Assert.ThrowsAsync<MigrationException>(
            () => RemoteHost.ConnectAsync(OptionsFor(agent.Endpoints.Single()) with { Certificate = intruder }, Cancel));

        Assert.Equal(MigrationErrorReason.AccessDenied, error.Reason);
        Assert.Contains("certificate", error.Message, StringComparison.Ordinal);
        Assert.Contains("agent's log", error.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_agent_of_another_authority_is_not_trusted()
    {
        using var stranger = LabCertificateAuthority.OpenOrCreate(directory.File("stranger"));
        await AssertRefusedAsync(stranger, new() { Name = "agent", Addresses = ["127.0.0.1"] }, "none of the trusted authorities");
    }

    [Fact]
    public Task An_agent_of_another_name_is_not_trusted() =>
        AssertRefusedAsync(
            authority, new() { Name = "agent", Addresses = ["10.0.0.1", "elsewhere"] }, "elsewhere, 10.0.0.1 and not for 127.0.0.1");

    [Fact]
    public Task A_certificate_that_has_expired_is_not_trusted() => AssertRefusedAsync(
        authority,
        new()
        {
            Name = "agent", Addresses = ["127.0.0.1"], ValidFrom = DateTimeOffset.UtcNow.AddMinutes(-4), Lifetime = TimeSpan.FromMinutes(1),
        },
        "expired at ");

    [Fact]
    public Task A_certificate_for_clients_only_is_not_trusted() => AssertRefusedAsync(
        authority, new() { Name = "agent", Addresses = ["127.0.0.1"], Purposes = CertificatePurposes.Client }, "is not meant for servers");

    [Fact]
    public async Task An_older_tls_is_not_spoken()
    {
        using X509Certificate2 shown = Load(authority.Issue(new() { Name = "agent", Addresses = ["127.0.0.1"] }));
        await using ServedHost agent = await ServeAsync(shown, SslProtocols.Tls12);

        MigrationException error = await Assert.ThrowsAsync<MigrationException>(
            () => RemoteHost.ConnectAsync(OptionsFor(UriOf(agent)), Cancel));

        Assert.Equal(MigrationErrorReason.AccessDenied, error.Reason);
    }

    [Fact]
    public async Task Own_certificates_that_cannot_serve_are_refused_before_anything_is_sent()
    {
        var nowhere = new Uri("https://127.0.0.1:1");
        using X509Certificate2 expired = Load(authority.Issue(new()
        {
            Name = "late", Purposes = CertificatePurposes.Client,
            ValidFrom = DateTimeOffset.UtcNow.AddMinutes(-4), Lifetime = TimeSpan.FromMinutes(1),
        }));
        (RemoteHostOptions Options, MigrationErrorReason Reason, string Text)[] cases =
        [
            (OptionsFor(nowhere) with { Certificate = null }, MigrationErrorReason.InvalidArgument, "needs a certificate"),
            (OptionsFor(nowhere) with { TrustedAuthorities = [] }, MigrationErrorReason.InvalidArgument, "No authority is trusted"),
            (OptionsFor(nowhere) with { Certificate = expired }, MigrationErrorReason.AccessDenied, "'CN=late' expired at "),
            (OptionsFor(nowhere) with { Certificate = authorityCertificate }, MigrationErrorReason.AccessDenied, "has no private key"),
        ];
        foreach ((RemoteHostOptions options, MigrationErrorReason reason, string text) in cases)
        {
            MigrationException error = await Assert.ThrowsAsync<MigrationException>(() => RemoteHost.ConnectAsync(options, Cancel));
            Assert.Equal(reason, error.Reason);
            Assert.Contains(text, error.Message, StringComparison.Ordinal);
            Assert.NotNull(error.RecommendedAction);
        }
    }

    [Fact]
    public async Task Somebody_who_takes_the_connection_and_says_nothing_costs_no_more_than_the_time_limit()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var address = new Uri($"https://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}");

        MigrationException error = await Assert.ThrowsAsync<MigrationException>(() => RemoteHost.ConnectAsync(
            OptionsFor(address) with { ConnectTimeLimit = TimeSpan.FromSeconds(1) }, Cancel));

        Assert.Equal(MigrationErrorReason.ConnectionLost, error.Reason);
    }

    private static X509Certificate2 Load(IssuedCertificate issued) =>
        X509Certificate2.CreateFromPemFile(issued.CertificatePath, issued.KeyPath);

    private static Uri UriOf(ServedHost agent) => new($"https://127.0.0.1:{agent.Port}");

    private RemoteHostOptions OptionsFor(Uri uri) => new() { Uri = uri, Certificate = client, TrustedAuthorities = [authorityCertificate] };

    private async Task AssertRefusedAsync(LabCertificateAuthority issuer, CertificateOrder order, string why)
    {
        using X509Certificate2 shown = Load(issuer.Issue(order));
        await using ServedHost agent = await ServeAsync(shown, SslProtocols.Tls13);

        MigrationException error = await Assert.ThrowsAsync<MigrationException>(
            () => RemoteHost.ConnectAsync(OptionsFor(UriOf(agent)), Cancel));

        Assert.Equal(MigrationErrorReason.AccessDenied, error.Reason);
        Assert.Contains("'CN=agent'", error.Message, StringComparison.Ordinal);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.RecommendedAction);
    }

    private Task<ServedHost> ServeAsync(X509Certificate2 shown, SslProtocols protocols) => ServedHost.StartAsync(
        ScriptedHost.Make((_, _) => throw new NotSupportedException()), directory, listener =>
        {
            listener.Protocols = HttpProtocols.Http2;

            // Per connection, as Kestrel itself would not start with the worst of these certificates.
            listener.UseHttps(new TlsHandshakeCallbackOptions
            {
                OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
                {
                    ServerCertificate = shown,
                    EnabledSslProtocols = protocols,
                    ApplicationProtocols = [SslApplicationProtocol.Http2],
                }),
            });
        });

    private Task<HostAgentServer> StartAgentAsync()
    {
        IssuedCertificate issued = authority.Issue(new() { Name = "agent", Addresses = ["127.0.0.1"] });
        return HostAgentServer.StartAsync(
            new()
            {
                Host = new() { Name = "tls", StateDirectory = directory.File("state") },
                Control = new()
                {
                    Listen = [new Uri("https://127.0.0.1:0")],
                    Certificates = new(issued.CertificatePath, issued.KeyPath, issued.AuthorityPath),
                },
            },
            console: null, Cancel);
    }
}
