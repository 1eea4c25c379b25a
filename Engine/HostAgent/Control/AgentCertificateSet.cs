using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace VmMigration.HostAgent.Control;

/// <summary>Certificates that belong together: what the agent shows, and whom it trusts.</summary>
/// <param name="Shown">The agent's certificate with its key and intermediate ones.</param>
/// <param name="Authorities">The authorities of clients.</param>
internal sealed record AgentCertificateSet(SslStreamCertificateContext Shown, X509Certificate2Collection Authorities);
