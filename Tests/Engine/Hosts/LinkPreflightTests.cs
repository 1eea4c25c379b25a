using System.Net;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

/// <summary>The check says what the start will do, for hosts on the loopback device and beyond, over a path and without one.</summary>
public class LinkPreflightTests
{
    private const LinkSecurity Plain = LinkSecurity.Plain;
    private const LinkSecurity Tls = LinkSecurity.Tls;

    [Theory]
    [InlineData(Tls, "192.0.2.1", null, "127.0.0.1", true, null)]
    [InlineData(Tls, "192.0.2.1", null, "127.0.0.1", false, "error")]
    [InlineData(null, "127.0.0.1", null, "127.0.0.1", false, "plain")]
    [InlineData(null, "127.0.0.1", null, "127.0.0.1", true, null)]
    [InlineData(null, "127.0.0.1", Plain, "127.0.0.1", true, "error")]
    [InlineData(null, "127.0.0.1", Plain, "192.0.2.1", false, "error")]
    [InlineData(Plain, "127.0.0.1", Plain, "192.0.2.1", false, "plain")]
    [InlineData(Plain, "127.0.0.1", null, "192.0.2.1", false, null)]
    public void What_is_found_is_what_the_source_does(
        LinkSecurity? demanded, string sourceListens, LinkSecurity? offered, string destinationListens, bool overPath, string? found)
    {
        using var source = new LinkPolicy(demanded, IPAddress.Parse(sourceListens));
        using var destination = new LinkPolicy(offered, IPAddress.Parse(destinationListens));

        PreflightFinding finding = LinkPreflight.Describe(
            Describe("a", source, sourceListens), Describe("b", destination, destinationListens), overPath);

        Assert.Equal(found == "error" ? PreflightSeverity.Error : PreflightSeverity.Information, finding.Severity);
        Assert.Equal(found == "plain", finding.Message.Contains("plain text:", StringComparison.Ordinal));

        // The offer such a destination makes, taken to such a source.
        IPAddress arrives = overPath ? IPAddress.Parse("fd00::2") : IPAddress.Parse(destinationListens);
        using LinkCertificate? certificate = destination.CertificateFor(arrives);
        var offer = new IncomingOffer(Guid.NewGuid(), "b", arrives.ToString(), 1, new byte[Hello.TicketBytes])
        {
            Security = certificate is null ? Plain : Tls,
            CertificateHash = certificate?.Hash,
        };
        Assert.Equal(found == "error", Record.Exception(() => source.RequireEnough(offer, "a")) is not null);
    }

    private static HostDescription Describe(string name, LinkPolicy policy, string listens) => new()
    {
        Name = name,
        MachineName = name,
        ProcessorCount = 1,
        MemoryBytes = 1,
        AvailableMemoryBytes = 1,
        StateDirectory = "/",
        Endpoint = new IPEndPoint(IPAddress.Parse(listens), 1).ToString(),
        LinkSecurity = policy.Security,
        NetworkLinkSecurity = policy.NetworkSecurity,
        Hypervisors = new Dictionary<HypervisorKind, string?>(),
    };
}
