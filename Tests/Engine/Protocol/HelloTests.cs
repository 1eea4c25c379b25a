using System.Security.Cryptography;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Protocol;

public class HelloTests
{
    private static readonly Hello hello = new(
        Hello.CurrentVersion, ConnectionRole.Data, 3, Guid.NewGuid(), RandomNumberGenerator.GetBytes(Hello.TicketBytes));

    [Fact]
    public void What_is_written_is_read_back()
    {
        Hello read = Hello.Parse(hello.ToBytes());
        Assert.Equal(hello with { Ticket = read.Ticket }, read);
        Assert.Equal(hello.Ticket, read.Ticket);
        Assert.Equal(Hello.SizeBytes, hello.ToBytes().Length);
    }

    [Fact]
    public void Another_version_is_refused_with_both_versions_named()
    {
        byte[] bytes = (hello with { Version = 7 }).ToBytes();
        MigrationException error = Assert.Throws<MigrationException>(() => Hello.Parse(bytes));
        Assert.Equal(MigrationErrorReason.VersionMismatch, error.Reason);
        Assert.Contains("version 7", error.Message, StringComparison.Ordinal);
        Assert.Contains($"version {Hello.CurrentVersion}", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    [InlineData(14)]
    [InlineData(70)]
    public void A_stranger_is_refused(int position)
    {
        byte[] bytes = hello.ToBytes();
        bytes[position] ^= 0x40;
        MigrationException error = Assert.Throws<MigrationException>(() => Hello.Parse(bytes));
        Assert.Equal(MigrationErrorReason.ProtocolViolation, error.Reason);
    }
}
