using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VmMigration.Engine.Hosts.Remote;

/// <summary>Checks of the certificates of both sides; each refusal says which certificate and why.</summary>
internal static class AgentCertificateCheck
{
    /// <summary>What an agent's certificate must be good for (id-kp-serverAuth, RFC 5280).</summary>
    public static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1");

    /// <summary>Refuses an own certificate that has no key or is out of its time, before an agent does so with fewer words.</summary>
    public static void RequireUsable(X509Certificate2 own)
    {
        string? flaw = own.HasPrivateKey ? TimeFlaw(own) : "has no private key";
        if (flaw is null) return;
        throw new MigrationException(MigrationErrorReason.AccessDenied, $"The own certificate '{own.Subject}' {flaw}.",
            "Give a valid certificate together with its key.");
    }

    /// <summary>Accepts an agent's certificate, or says why not.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.AccessDenied"/>; the connection is not made.</exception>
    public static bool RequireTrusted(Uri agent, X509Certificate2? shown, X509Chain? chain, SslPolicyErrors errors)
    {
        if (errors == SslPolicyErrors.None) return true;
        string flaw = shown is null ? "is missing"
            : TimeFlaw(shown) ?? ChainFlaw(shown, chain, errors) ?? NameFlaw(agent, shown, errors) ?? $"was refused ({errors})";
        string name = shown is null ? "The agent's certificate" : $"The agent's certificate '{shown.Subject}'";
        throw new MigrationException(MigrationErrorReason.AccessDenied, $"{name} at {agent} {flaw}.",
            "Make sure that this is the right machine, then give the agent a valid certificate of a trusted authority for this name.");
    }

    private static string? TimeFlaw(X509Certificate2 certificate)
    {
        DateTime now = DateTime.Now;
        if (now > certificate.NotAfter) return $"expired at {certificate.NotAfter.ToUniversalTime():u}";
        return now < certificate.NotBefore ? $"is not valid before {certificate.NotBefore.ToUniversalTime():u}" : null;
    }

    private static string? ChainFlaw(X509Certificate2 shown, X509Chain? chain, SslPolicyErrors errors)
    {
        if (!errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors)) return null;
        X509ChainStatus[] found = chain?.ChainStatus ?? [];
        const X509ChainStatusFlags Untrusted = X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.UntrustedRoot;
        if (found.Any(status => (status.Status & Untrusted) != 0))
        {
            return $"was issued by '{shown.Issuer}', which is none of the trusted authorities";
        }

        if (found.Any(status => status.Status.HasFlag(X509ChainStatusFlags.NotValidForUsage))) return "is not meant for servers";
        return $"does not hold: {string.Join(", ", found.Select(status => status.Status))}";
    }

    private static string? NameFlaw(Uri agent, X509Certificate2 shown, SslPolicyErrors errors)
    {
        if (!errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)) return null;
        string[] names = [.. shown.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(
            extension => extension.EnumerateDnsNames().Concat(extension.EnumerateIPAddresses().Select(address => address.ToString())))];
        return $"is for {(names.Length == 0 ? "no name" : string.Join(", ", names))} and not for {agent.Host}";
    }
}
