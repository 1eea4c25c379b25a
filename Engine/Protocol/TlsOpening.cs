using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// The TLS handshake of a connection: version 1.3 only, nothing is kept for a later one, and of certificates only the destination's is
/// looked at. Blocks the calling thread; whoever limits its time disposes of the socket.
/// </summary>
internal static class TlsOpening
{
    // The first byte of a record that holds a handshake (RFC 8446, 5.1).
    private const byte HandshakeRecord = 22;

    private static readonly CipherSuitesPolicy? ciphers = ChooseCiphers();

    /// <summary>Whether the byte a connection begins with is that of a TLS handshake.</summary>
    public static bool IsHandshake(byte first) => first == HandshakeRecord;

    /// <summary>Shows the certificate to a source.</summary>
    /// <param name="socket">Taken over where the call returns.</param>
    /// <param name="certificate">This host's.</param>
    /// <exception cref="AuthenticationException">Where the peer speaks no TLS 1.3.</exception>
    /// <exception cref="Exception">What <see cref="LinkTransport.IsBroken"/> knows.</exception>
    public static LinkTransport AsDestination(Socket socket, LinkCertificate certificate) => Open(
        socket,
        tls => tls.AuthenticateAsServer(new SslServerAuthenticationOptions
        {
            ServerCertificateContext = certificate.Context,
            EnabledSslProtocols = SslProtocols.Tls13,
            EncryptionPolicy = EncryptionPolicy.RequireEncryption,
            AllowTlsResume = false,
            AllowRenegotiation = false,
            ClientCertificateRequired = false,
            CipherSuitesPolicy = ciphers,
        }));

    /// <summary>Accepts exactly the certificate of this hash.</summary>
    /// <param name="socket">Taken over where the call returns.</param>
    /// <param name="certificateHash">SHA-256 of the destination's certificate.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.LinkRefused"/> where the peer has another certificate, or speaks no TLS 1.3.
    /// </exception>
    /// <exception cref="Exception">What <see cref="LinkTransport.IsBroken"/> knows.</exception>
    public static LinkTransport AsSource(Socket socket, byte[] certificateHash)
    {
        bool isAnother = false;
        try
        {
            return Open(
                socket,
                tls => tls.AuthenticateAsClient(new SslClientAuthenticationOptions
                {
                    TargetHost = string.Empty,
                    EnabledSslProtocols = SslProtocols.Tls13,
                    EncryptionPolicy = EncryptionPolicy.RequireEncryption,
                    AllowTlsResume = false,
                    AllowRenegotiation = false,
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    CipherSuitesPolicy = ciphers,
                    RemoteCertificateValidationCallback = (_, shown, _, _) =>
                    {
                        bool isIt = shown is not null
                            && CryptographicOperations.FixedTimeEquals(LinkCertificate.HashOf(shown), certificateHash);
                        isAnother = !isIt;
                        return isIt;
                    },
                }));
        }
        catch (AuthenticationException error) when (isAnother)
        {
            throw new MigrationException(
                MigrationErrorReason.LinkRefused, "The host that answers is not the one that made the offer: its certificate is another.",
                "Start the migration again. If that does not help, find out who answers on the destination's address.", error);
        }
        catch (AuthenticationException error)
        {
            throw new MigrationException(
                MigrationErrorReason.LinkRefused, $"The host that answers does not open TLS 1.3: {error.Message}",
                "Find out who answers on the destination's address.", error);
        }
    }

    private static LinkTransport Open(Socket socket, Action<SslStream> authenticate)
    {
        var records = new RecordStream(socket);
        var tls = new SslStream(records, leaveInnerStreamOpen: true);
        try
        {
            authenticate(tls);
            return LinkTransport.Tls(socket, tls, records);
        }
        catch
        {
            tls.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The cheapest cipher for pages first: AES-GCM of 128 bits where the processor has instructions for it, else ChaCha20. Only OpenSSL
    /// lets itself be told.
    /// </summary>
    private static CipherSuitesPolicy? ChooseCiphers()
    {
        if (!OperatingSystem.IsLinux()) return null;
        TlsCipherSuite[] aes = [TlsCipherSuite.TLS_AES_128_GCM_SHA256, TlsCipherSuite.TLS_AES_256_GCM_SHA384];
        bool hasAes = System.Runtime.Intrinsics.X86.Aes.IsSupported || System.Runtime.Intrinsics.Arm.Aes.IsSupported
            || RuntimeInformation.ProcessArchitecture == Architecture.S390x;
        return new(hasAes
            ? [.. aes, TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256]
            : [TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256, .. aes]);
    }
}
