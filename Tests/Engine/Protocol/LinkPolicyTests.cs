using System.Net;
using System.Security.Authentication;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Protocol;

public class LinkPolicyTests
{
    [Theory]
    [InlineData(null, "127.0.0.1", LinkSecurity.Plain)]
    [InlineData(null, "127.3.4.5", LinkSecurity.Plain)]
    [InlineData(null, "::1", LinkSecurity.Plain)]
    [InlineData(null, "0.0.0.0", LinkSecurity.Tls)]
    [InlineData(null, "::", LinkSecurity.Tls)]
    [InlineData(null, "192.0.2.1", LinkSecurity.Tls)]
    [InlineData(LinkSecurity.Tls, "127.0.0.1", LinkSecurity.Tls)]
    [InlineData(LinkSecurity.Plain, "192.0.2.1", LinkSecurity.Plain)]
    public void TLS_is_demanded_unless_only_this_machine_can_connect_or_somebody_said_otherwise(
        LinkSecurity? demanded, string address, LinkSecurity expected)
    {
        using var policy = new LinkPolicy(demanded, IPAddress.Parse(address));
        Assert.Equal(expected, policy.Security);
        Assert.Equal(expected == LinkSecurity.Tls, policy.CertificateFor(IPAddress.Parse(address)) is not null);
    }

    [Fact]
    public void A_host_on_the_loopback_device_demands_TLS_on_every_other_address()
    {
        using var policy = new LinkPolicy(null, IPAddress.Loopback);
        Assert.NotNull(policy.CertificateFor(IPAddress.Parse("fd00::2")));
    }

    [Theory]
    [InlineData(null, "127.0.0.1", "192.0.2.1", true)]
    [InlineData(null, "127.0.0.1", "fd00::2", true)]
    [InlineData(null, "127.0.0.1", "127.0.0.2", false)]
    [InlineData(null, "192.0.2.7", "127.0.0.1", true)]
    [InlineData(LinkSecurity.Plain, "127.0.0.1", "192.0.2.1", false)]
    [InlineData(LinkSecurity.Plain, "192.0.2.7", "192.0.2.1", false)]
    public void Plain_text_leaves_the_machine_only_where_the_source_was_told_so(
        LinkSecurity? demanded, string listens, string goesTo, bool isRefused)
    {
        using var policy = new LinkPolicy(demanded, IPAddress.Parse(listens));
        var offer = new IncomingOffer(Guid.NewGuid(), "there", goesTo, 1, new byte[32]);

        Exception? refusal = Record.Exception(() => policy.RequireEnough(offer, "here"));

        Assert.Equal(isRefused, refusal is MigrationException { Reason: MigrationErrorReason.LinkRefused });
        if (!isRefused) Assert.Null(refusal);
        policy.RequireEnough(offer with { Security = LinkSecurity.Tls, CertificateHash = new byte[32] }, "here");
    }

    [Fact]
    public void A_value_that_is_none_is_refused()
    {
        var refusal = Assert.Throws<MigrationException>(() => new LinkPolicy(LinkSecurity.Invalid, IPAddress.Loopback));
        Assert.Equal(MigrationErrorReason.InvalidArgument, refusal.Reason);
    }

    [Fact]
    public void A_machine_without_TLS_1_3_refuses_to_demand_it_and_never_falls_back()
    {
        Func<string?> obstacle = () => "no TLS 1.3 here";
        var refusal = Assert.Throws<MigrationException>(() => new LinkPolicy(LinkSecurity.Tls, IPAddress.Loopback, null, obstacle));
        Assert.Equal(MigrationErrorReason.PrerequisiteMissing, refusal.Reason);
        Assert.Contains("no TLS 1.3 here", refusal.Message, StringComparison.Ordinal);
        Assert.Throws<MigrationException>(() => new LinkPolicy(null, IPAddress.Any, null, obstacle));

        using var loopback = new LinkPolicy(null, IPAddress.Loopback, null, obstacle);
        Assert.Equal(LinkSecurity.Plain, loopback.Security);
        Assert.Throws<MigrationException>(() => loopback.CertificateFor(IPAddress.Parse("fd00::2")));
    }

    [Fact]
    public void What_the_handshake_fails_with_is_what_this_machine_is_said_to_lack()
    {
        Assert.Null(TlsCapability.Obstacle);
        Assert.Null(TlsCapability.Try(TlsOpening.AsDestination));
        Assert.NotNull(TlsCapability.Try((_, _) => throw new AuthenticationException("The version is not supported.")));
        Assert.NotNull(TlsCapability.Try((_, _) => throw new PlatformNotSupportedException("no TLS 1.3")));
    }

    [Fact]
    public void A_source_that_demands_TLS_refuses_plain_text_and_one_that_does_not_follows_the_offer()
    {
        var plain = new IncomingOffer(Guid.NewGuid(), "there", "192.0.2.1", 1, new byte[32]);
        IncomingOffer tls = plain with { Security = LinkSecurity.Tls, CertificateHash = new byte[32] };
        using var demanding = new LinkPolicy(LinkSecurity.Tls, IPAddress.Loopback);
        using var following = new LinkPolicy(LinkSecurity.Plain, IPAddress.Loopback);
        demanding.RequireEnough(tls, "here");
        following.RequireEnough(tls, "here");
        following.RequireEnough(plain, "here");
        var refusal = Assert.Throws<MigrationException>(() => demanding.RequireEnough(plain, "here"));
        Assert.Equal(MigrationErrorReason.LinkRefused, refusal.Reason);
        Assert.Contains("LinkSecurity Tls", refusal.RecommendedAction, StringComparison.Ordinal);
    }
}
