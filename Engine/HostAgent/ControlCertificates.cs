namespace VmMigration.HostAgent;

/// <summary>
/// PEM files for mutual TLS. They are looked at again when a client connects: new ones are taken up without a restart, and ones that cannot be
/// read leave the old in use.
/// </summary>
/// <param name="CertificatePath">The agent's certificate, followed by intermediate ones if there are any.</param>
/// <param name="KeyPath">Its private key, not encrypted.</param>
/// <param name="AuthorityPath">The authorities whose client certificates are let in; nothing else is trusted.</param>
public sealed record ControlCertificates(string CertificatePath, string KeyPath, string AuthorityPath);
