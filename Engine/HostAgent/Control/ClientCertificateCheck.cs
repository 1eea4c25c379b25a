using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VmMigration.HostAgent.Control;

/// <summary>Decides whether a client's certificate lets it in. Pure but for the clock that the chain is checked against.</summary>
internal static class ClientCertificateCheck
{
    /// <summary><c>id-kp-clientAuth</c>, RFC 5280, 4.2.1.12.</summary>
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    /// <summary>Says why a client is refused; null where it is let in.</summary>
    /// <param name="certificate">What the client showed; null for nothing.</param>
    /// <param name="sent">The further certificates it sent, from which a chain may be built.</param>
    /// <param name="authorities">The only roots that count.</param>
    /// <param name="clients">The names that are let in; empty lets in all.</param>
    public static string? FindRefusal(
        X509Certificate2? certificate, X509Certificate2Collection sent, X509Certificate2Collection authorities,
        IReadOnlyCollection<string> clients)
    {
        if (certificate is null) return "it showed no certificate";
        using var chain = new X509Chain { ChainPolicy = MakePolicy(sent, authorities) };
        if (!chain.Build(certificate)) return Describe(certificate, chain);

        // A certificate without any usage is good for all of them by the RFC; here the usage must be written.
        if (!HasClientUsage(certificate)) return "its certificate is not for TLS clients (extended key usage)";
        if (clients.Count > 0 && !NamesOf(certificate).Any(name => clients.Contains(name, StringComparer.OrdinalIgnoreCase)))
        {
            return "the name in its certificate is none of those that are let in";
        }

        return null;
    }

    private static X509ChainPolicy MakePolicy(X509Certificate2Collection sent, X509Certificate2Collection authorities)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,

            // A certificate may name a place to fetch its issuer from; a stranger must not make the agent go there.
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(authorities);
        policy.ExtraStore.AddRange(sent);
        policy.ApplicationPolicy.Add(new Oid(ClientAuthentication));
        return policy;
    }

    private static string Describe(X509Certificate2 certificate, X509Chain chain)
    {
        X509ChainStatusFlags flags = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, status) => all | status.Status);
        DateTime now = DateTime.UtcNow;
        if (flags.HasFlag(X509ChainStatusFlags.NotTimeValid) && now > certificate.NotAfter.ToUniversalTime())
        {
            return $"its certificate expired on {certificate.NotAfter.ToUniversalTime():u}";
        }

        if (flags.HasFlag(X509ChainStatusFlags.NotTimeValid) && now < certificate.NotBefore.ToUniversalTime())
        {
            return $"its certificate is not valid before {certificate.NotBefore.ToUniversalTime():u}";
        }

        if ((flags & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain)) != 0)
        {
            return "its certificate is of no authority that is trusted here";
        }

        if (flags.HasFlag(X509ChainStatusFlags.NotValidForUsage)) return "its certificate is not for TLS clients (extended key usage)";
        return "its certificate is not valid: " + string.Join("; ", chain.ChainStatus.Select(status => status.StatusInformation.Trim()));
    }

    private static bool HasClientUsage(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>()
            .Any(extension => extension.EnhancedKeyUsages.Cast<Oid>().Any(usage => usage.Value == ClientAuthentication));

    private static IEnumerable<string> NamesOf(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(extension => extension.EnumerateDnsNames())
            .Append(certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false));
}
