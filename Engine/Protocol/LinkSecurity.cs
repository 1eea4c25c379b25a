namespace VmMigration.Engine.Protocol;

/// <summary>How the connections that carry a VM between two hosts are protected.</summary>
public enum LinkSecurity
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>Not at all: whoever is on the way can read and change the guest's memory.</summary>
    Plain = 1,

    /// <summary>TLS 1.3; the source knows the destination by the certificate that its offer names, the destination the source by its ticket.</summary>
    Tls = 2,
}
