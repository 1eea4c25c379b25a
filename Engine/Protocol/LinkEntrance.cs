using System.Net.Sockets;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// What a destination demands of a connection before its hello: TLS where it has a certificate, plain text where it has none, and never
/// the other.
/// </summary>
/// <param name="certificate">What the host proves itself with; null for plain text. Stays the caller's.</param>
internal sealed class LinkEntrance(LinkCertificate? certificate)
{
    /// <summary>
    /// Waits for the first byte and does the handshake that is demanded. Blocks the calling thread until the peer has done its part; whoever
    /// limits its time disposes of the socket.
    /// </summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.LinkRefused"/> where the peer opens the connection in another way than the host demands.
    /// </exception>
    /// <exception cref="System.Security.Authentication.AuthenticationException">Where the TLS handshake failed; the peer has been told.</exception>
    /// <exception cref="Exception">What <see cref="LinkTransport.IsBroken"/> knows.</exception>
    public LinkTransport Open(Socket socket)
    {
        Span<byte> first = stackalloc byte[1];
        if (socket.Receive(first, SocketFlags.Peek) == 0)
        {
            throw new MigrationException(MigrationErrorReason.ProtocolViolation, "The peer hung up before its first byte.");
        }

        bool isTls = TlsOpening.IsHandshake(first[0]);
        if (certificate is not null && isTls) return TlsOpening.AsDestination(socket, certificate);
        if (certificate is null && !isTls) return LinkTransport.Plain(socket);
        throw certificate is null
            ? new(MigrationErrorReason.LinkRefused, "The peer opens TLS, which this host's offers do not name.",
                "Start the migration again, with the offer as the host made it.")
            : new MigrationException(MigrationErrorReason.LinkRefused, "The peer speaks plain text to a host that demands TLS.",
                "Start the migration again, with the offer as the host made it.");
    }
}
