using System.Net;

namespace VmMigration.Engine.Protocol;

/// <summary>Where and with what right the source may connect. Serializable.</summary>
/// <param name="MigrationId">Id of the migration.</param>
/// <param name="DestinationHostName">Name of the host that waits.</param>
/// <param name="Address">IP address the destination listens on.</param>
/// <param name="Port">TCP port the destination listens on.</param>
/// <param name="Ticket">32 random bytes, valid for this migration only.</param>
public sealed record IncomingOffer(Guid MigrationId, string DestinationHostName, string Address, int Port, byte[] Ticket)
{
    /// <summary>How the connections are protected.</summary>
    public LinkSecurity Security { get; init; } = LinkSecurity.Plain;

    /// <summary>SHA-256 of the certificate the destination shows, 32 bytes; null without <see cref="LinkSecurity.Tls"/>.</summary>
    public byte[]? CertificateHash { get; init; }

    /// <summary>The mobility path the source's connections must take; null for the ordinary network.</summary>
    public Guid? PathId { get; init; }

    /// <summary>Checks what a source connects by.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/>, naming what is wrong.</exception>
    public void Validate()
    {
        if (!IPAddress.TryParse(Address, out _) || Port is < 1 or > ushort.MaxValue)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"The offer of '{DestinationHostName}' names no IP address and port: '{Address}', {Port}.");
        }

        if (Ticket.Length != Hello.TicketBytes)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument,
                $"The ticket of migration {MigrationId} has {Ticket.Length} bytes instead of {Hello.TicketBytes}.");
        }
    }
}
