using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Hosts;
using Xunit;

namespace VmMigration.Engine.Tests.Protocol;

public class LinkCertificateTests
{
    private static readonly DateTimeOffset now = DateTimeOffset.UtcNow;

    [Fact]
    public void Every_certificate_in_memory_is_another()
    {
        using var first = LinkCertificate.Create();
        using var second = LinkCertificate.Create();
        Assert.NotEqual(first.Hash, second.Hash);
        Assert.Equal(32, first.Hash.Length);
    }

    [Fact]
    public void A_restarted_host_has_the_certificate_its_offers_named_and_only_its_owner_may_read_it()
    {
        using var scratch = new ScratchDirectory();
        string path = scratch.File("link.pem");
        using var first = LinkCertificate.Open(path, now);
        using var again = LinkCertificate.Open(path, now + LinkCertificate.Lifetime - TimeSpan.FromMinutes(1));
        Assert.Equal(first.Hash, again.Hash);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal([path], Directory.GetFiles(scratch.Path));
    }

    [Fact]
    public void A_certificate_past_its_lifetime_is_replaced()
    {
        using var scratch = new ScratchDirectory();
        string path = scratch.File("link.pem");
        using var first = LinkCertificate.Open(path, now);
        using var later = LinkCertificate.Open(path, now + LinkCertificate.Lifetime + TimeSpan.FromDays(1));
        Assert.NotEqual(first.Hash, later.Hash);
    }

    [Theory]
    [InlineData("")]
    [InlineData("no certificate")]
    [InlineData("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    public void A_damaged_file_is_replaced_by_a_certificate_that_works(string content)
    {
        using var scratch = new ScratchDirectory();
        string path = scratch.File("link.pem");
        File.WriteAllText(path, content);
        using var made = LinkCertificate.Open(path, now);
        using var again = LinkCertificate.Open(path, now);
        Assert.Equal(made.Hash, again.Hash);
    }

    [Fact]
    public void A_directory_that_is_not_there_is_named_in_the_failure()
    {
        using var scratch = new ScratchDirectory();
        string path = Path.Combine(scratch.Path, "missing", "link.pem");
        var failure = Assert.Throws<MigrationException>(() => LinkCertificate.Open(path, now));
        Assert.Contains(path, failure.Message, StringComparison.Ordinal);
    }
}
