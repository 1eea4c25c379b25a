using VmMigration.Engine.Paths;
using Xunit;

namespace VmMigration.Engine.Tests.Paths;

public class PathRequestCheckTests
{
    [Fact]
    public void A_whole_request_passes()
    {
        PathRequestCheck.Require(PathRequests.OverlaySource);
        PathRequestCheck.Require(PathRequests.NatGateway);
    }

    [Fact]
    public void What_contradicts_itself_is_refused()
    {
        MobilityPathRequest overlay = PathRequests.OverlaySource;
        MobilityPathRequest nat = PathRequests.NatGateway;

        Refused(overlay with { Kind = MobilityPathKind.Direct });
        Refused(overlay with { Role = MobilityPathRole.Gateway });
        Refused(overlay with { Role = MobilityPathRole.Invalid });
        Refused(overlay with { NetworkIdentifier = 0 });
        Refused(overlay with { NetworkIdentifier = 1 << 24 });
        Refused(overlay with { DataPort = 80 });
        Refused(overlay with { SourceVirtualAddress = "100.64.0.1" });
        Refused(overlay with { SourceVirtualAddress = overlay.DestinationVirtualAddress });
        Refused(nat with { SourceVirtualAddress = "fd00::1" });
    }

    [Theory]
    [InlineData("100.64.0.1; flush ruleset")]
    [InlineData("100.64.0.1\nflush ruleset")]
    [InlineData("100.64.0.1 } delete table inet filter")]
    [InlineData("-4")]
    [InlineData("")]
    public void Text_that_is_no_address_never_reaches_a_program(string text)
    {
        Refused(PathRequests.NatGateway with { SourceVirtualAddress = text });
        Assert.Throws<MigrationException>(() => NatRuleset.Of(PathRequests.NatGateway with { SourceAddress = text }));
        Assert.Throws<MigrationException>(() => NatRuleset.Of(PathRequests.NatGateway with { DestinationAddress = text }));
        Assert.Throws<MigrationException>(() => NatHostPlan.Of(PathRequests.NatSource with { RemoteAddress = text }));
    }

    private static void Refused(MobilityPathRequest request) => Assert.Equal(
        MigrationErrorReason.InvalidArgument, Assert.Throws<MigrationException>(() => PathRequestCheck.Require(request)).Reason);
}
