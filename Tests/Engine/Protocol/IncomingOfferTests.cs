using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Protocol;

public sealed class IncomingOfferTests
{
    [Theory]
    [InlineData("kvm02", 49152, 32)]
    [InlineData("", 49152, 32)]
    [InlineData("10.0.0.2", 0, 32)]
    [InlineData("10.0.0.2", 65536, 32)]
    [InlineData("10.0.0.2", 49152, 31)]
    public void An_offer_nobody_can_connect_by_is_refused(string address, int port, int ticketBytes)
    {
        var offer = new IncomingOffer(Guid.NewGuid(), "kvm02", address, port, new byte[ticketBytes]);
        Assert.Equal(MigrationErrorReason.InvalidArgument, Assert.Throws<MigrationException>(offer.Validate).Reason);
    }

    [Theory]
    [InlineData("10.0.0.2")]
    [InlineData("fd00::2")]
    public void An_offer_of_an_address_and_port_is_taken(string address) =>
        new IncomingOffer(Guid.NewGuid(), "kvm02", address, 49152, new byte[32]).Validate();
}
