using System.Security.Cryptography.X509Certificates;

namespace VmMigration.Engine.Hosts.Remote;

/// <summary>Where the agent of a remote host is reached, and who is trusted there.</summary>
public sealed record RemoteHostOptions
{
    /// <summary>
    /// <c>https://name:port</c> for an agent on the network, <c>unix:///path/of/agent.sock</c> for one on this machine, where the
    /// permissions of the socket's file say who may connect.
    /// </summary>
    public required Uri Uri { get; init; }

    /// <summary>
    /// The certificate with its private key that this side shows; required for <c>https</c>. The caller keeps and disposes it, not before
    /// the host.
    /// </summary>
    public X509Certificate2? Certificate { get; init; }

    /// <summary>
    /// Certificates of the authorities that may have issued the agent's; required for <c>https</c>, and no other authority counts, those of
    /// the operating system included.
    /// </summary>
    public IReadOnlyList<X509Certificate2> TrustedAuthorities { get; init; } = [];

    /// <summary>How long a connection may take to be made, with TLS, and the first answer at <see cref="RemoteHost.ConnectAsync"/>.</summary>
    public TimeSpan ConnectTimeLimit { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a migration or a disk transfer is no longer followed while the agent does not answer, before that is an error.</summary>
    public TimeSpan ReconnectTimeLimit { get; init; } = TimeSpan.FromMinutes(2);
}
