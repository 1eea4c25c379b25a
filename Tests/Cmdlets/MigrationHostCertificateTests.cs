using System.Management.Automation;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class MigrationHostCertificateTests : IDisposable
{
    private readonly ModuleSession session = new();
    private readonly string directory = Directory.CreateTempSubdirectory("vm-migration-test").FullName;

    public MigrationHostCertificateTests() => session.Runspace.SessionStateProxy.SetVariable("pki", Path.Combine(directory, "pki"));

    public void Dispose()
    {
        session.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public void A_host_gets_a_certificate_for_its_names_from_an_authority_made_at_the_first_call()
    {
        MigrationHostCertificate made = session.RunClean(
            "New-MigrationHostCertificate kvm01 $pki -DnsName kvm01.lab.example -IPAddress 10.0.0.11, fd00::1 -ValidFor 2h")
            .Single<MigrationHostCertificate>();
        Assert.Equal(["kvm01.lab.example", "10.0.0.11", "fd00::1"], made.Addresses);
        Assert.Equal(CertificatePurpose.Host, made.Purpose);
        Assert.InRange(made.ValidUntil - DateTimeOffset.UtcNow, TimeSpan.FromHours(1.9), TimeSpan.FromHours(2));
        using X509Certificate2 certificate = X509Certificate2.CreateFromPemFile(made.Certificate, made.KeyPath);
        Assert.NotNull(certificate.GetECDsaPrivateKey());
        Assert.True(certificate.MatchesHostname("kvm01.lab.example") && certificate.MatchesHostname("10.0.0.11"));
        Assert.True(IsTrusted(certificate, made.CertificateAuthority));
    }

    [Fact]
    public void Keys_can_be_read_by_their_owner_only()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no file modes.");
        MigrationHostCertificate made = session.RunClean("New-MigrationHostCertificate kvm01 $pki").Single<MigrationHostCertificate>();
        string[] keys = [made.KeyPath, Path.ChangeExtension(made.CertificateAuthority, "key")];
        Assert.All(keys, key => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, new FileInfo(key).UnixFileMode));
    }

    [Fact]
    public void Several_names_come_down_the_pipeline_and_have_one_authority()
    {
        IReadOnlyList<MigrationHostCertificate> made = session.RunClean(
            "'kvm01', 'kvm02' | New-MigrationHostCertificate -Authority $pki -Path $pki/hosts").All<MigrationHostCertificate>();
        Assert.Equal(["kvm01", "kvm02"], made.Select(certificate => certificate.Name));
        Assert.Single(made.Select(certificate => certificate.CertificateAuthority).Distinct());
        Assert.All(made, certificate =>
        {
            Assert.Equal("hosts", new FileInfo(certificate.Certificate).Directory!.Name);
            using X509Certificate2 loaded = X509CertificateLoader.LoadCertificateFromFile(certificate.Certificate);
            Assert.True(IsTrusted(loaded, certificate.CertificateAuthority));
        });
    }

    [Fact]
    public void A_client_may_not_be_connected_to()
    {
        MigrationHostCertificate made = session.RunClean("New-MigrationHostCertificate admin $pki -Purpose Client")
            .Single<MigrationHostCertificate>();
        using X509Certificate2 certificate = X509CertificateLoader.LoadCertificateFromFile(made.Certificate);
        Assert.Equal(["1.3.6.1.5.5.7.3.2"], certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().Single()
            .EnhancedKeyUsages.Cast<Oid>().Select(usage => usage.Value));
    }

    [Theory]
    [InlineData("ca")]
    [InlineData("../kvm01")]
    [InlineData("kvm01 -DnsName https://kvm01")]
    [InlineData("kvm01 -ValidFor 500.00:00:00")]
    public void What_cannot_be_issued_is_refused(string arguments)
    {
        ErrorRecord error = session.RunFailing($"New-MigrationHostCertificate {arguments} -Authority $pki");
        Assert.Equal("InvalidArgument,VmMigration.Cmdlets.NewMigrationHostCertificateCommand", error.FullyQualifiedErrorId);
        Assert.False(Directory.Exists(Path.Combine(directory, "kvm01.crt")));
    }

    [Fact]
    public void WhatIf_makes_nothing()
    {
        Assert.Empty(session.RunClean("New-MigrationHostCertificate kvm01 $pki -WhatIf").Output);
        Assert.Empty(Directory.GetFileSystemEntries(directory));
    }

    [Fact]
    public void The_view_says_who_until_when_and_where()
    {
        string text = session.Render("New-MigrationHostCertificate kvm01 $pki -DnsName kvm01.lab");
        Assert.All(["Valid until", "Host", "kvm01.lab", "Certificate"], essential => Assert.Contains(essential, text));
        Assert.All(text.Split('\n'), line => Assert.InRange(line.Length, 0, CapturingHost.Columns));
    }

    private static bool IsTrusted(X509Certificate2 certificate, string authorityPath)
    {
        using X509Certificate2 authority = X509CertificateLoader.LoadCertificateFromFile(authorityPath);
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build(certificate);
    }
}
