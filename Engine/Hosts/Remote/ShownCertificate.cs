using System.Security.Cryptography.X509Certificates;

namespace VmMigration.Engine.Hosts.Remote;

/// <summary>A certificate that one side of a connection showed the other.</summary>
/// <param name="Subject">Distinguished name of its holder.</param>
/// <param name="ValidUntil">When it stops being valid, UTC; a connection that exists outlasts that, the next one is refused.</param>
public sealed record ShownCertificate(string Subject, DateTimeOffset ValidUntil)
{
    internal ShownCertificate(X509Certificate2 certificate)
        : this(certificate.Subject, certificate.NotAfter.ToUniversalTime())
    {
    }
}
