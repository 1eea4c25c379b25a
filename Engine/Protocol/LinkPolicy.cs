using System.Net;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// What one host demands of the connections that carry VMs, arriving and leaving, and what it proves itself with. What is demanded is never
/// given up for want of something: the host does not open then.
/// </summary>
internal sealed class LinkPolicy : IDisposable
{
    /// <summary>What to do about a destination that offers less than a source demands.</summary>
    public const string RefusalAction =
        "Open the destination host with LinkSecurity Tls; or, only where nobody else is on the network between them, the source host with"
        + " Plain.";

    private readonly LinkSecurity? demanded;
    private readonly string? certificatePath;
    private readonly Func<string?> tlsObstacle;
    private readonly Lock gate = new();
    private LinkCertificate? certificate;

    /// <param name="demanded">What the host was opened with; null demands TLS unless an address is a loopback address.</param>
    /// <param name="listenAddress">The address migrations arrive on.</param>
    /// <param name="certificatePath">File that keeps the host's certificate over a restart; null keeps it in memory only.</param>
    /// <param name="tlsObstacle">Why this machine cannot open TLS 1.3, null where it can; asked only where TLS is demanded.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for a value that is none; <see cref="MigrationErrorReason.PrerequisiteMissing"/>
    /// where this machine cannot do what is demanded.
    /// </exception>
    public LinkPolicy(
        LinkSecurity? demanded, IPAddress listenAddress, string? certificatePath = null, Func<string?>? tlsObstacle = null)
    {
        if (demanded is not (null or LinkSecurity.Plain or LinkSecurity.Tls))
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument, $"'{demanded}' protects no connection.", "Use Plain or Tls.");
        }

        this.demanded = demanded;
        this.certificatePath = certificatePath;
        this.tlsObstacle = tlsObstacle ?? (() => TlsCapability.Obstacle);
        Security = For(listenAddress);
        if (Security == LinkSecurity.Tls) TlsCapability.Require(this.tlsObstacle());
    }

    /// <summary>What is demanded of connections to other hosts and, on the address migrations arrive on, from them.</summary>
    public LinkSecurity Security { get; }

    /// <summary>What is demanded of connections that leave the machine, those over mobility paths among them.</summary>
    public LinkSecurity NetworkSecurity => demanded ?? LinkSecurity.Tls;

    /// <summary>What a listener on this address proves itself with; null where it takes plain text. It stays the policy's.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.PrerequisiteMissing"/> where this machine cannot do what is demanded.
    /// </exception>
    public LinkCertificate? CertificateFor(IPAddress listenAddress)
    {
        if (For(listenAddress) == LinkSecurity.Plain) return null;
        TlsCapability.Require(tlsObstacle());
        lock (gate)
        {
            return certificate ??= certificatePath is null
                ? LinkCertificate.Create() : LinkCertificate.Open(certificatePath, DateTimeOffset.UtcNow);
        }
    }

    /// <summary>
    /// Refuses, as a source, an offer of less than this host demands. A host on the loopback device that was not told what to demand lets its
    /// VMs go in plain text to this machine only.
    /// </summary>
    /// <param name="offer">The offer.</param>
    /// <param name="hostName">Name of this host.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.LinkRefused"/>.</exception>
    public void RequireEnough(IncomingOffer offer, string hostName)
    {
        LinkSecurity needed = IPAddress.IsLoopback(IPAddress.Parse(offer.Address)) ? Security : NetworkSecurity;
        if (needed == LinkSecurity.Plain || offer.Security == LinkSecurity.Tls) return;
        throw new MigrationException(
            MigrationErrorReason.LinkRefused, RefusalOf(hostName, offer.DestinationHostName), RefusalAction);
    }

    /// <summary>Says that a destination offers less than a source demands.</summary>
    public static string RefusalOf(string sourceHostName, string destinationHostName) =>
        $"Host '{sourceHostName}' sends VMs to host '{destinationHostName}' inside TLS only, which offers connections in plain text.";

    /// <inheritdoc/>
    public void Dispose() => certificate?.Dispose();

    private LinkSecurity For(IPAddress address) =>
        demanded ?? (IPAddress.IsLoopback(address) ? LinkSecurity.Plain : LinkSecurity.Tls);
}
