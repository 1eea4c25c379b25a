namespace VmMigration.Engine.Hosts.Certificates;

/// <summary>What the holder of a certificate may be in a TLS connection (the extended key usages of RFC 5280, 4.2.1.12).</summary>
[Flags]
public enum CertificatePurposes
{
    /// <summary>Nothing; refused.</summary>
    None = 0,

    /// <summary>The side that is connected to.</summary>
    Server = 1,

    /// <summary>The side that connects.</summary>
    Client = 2,

    /// <summary>What a host agent needs: it is connected to, and presents itself to other agents.</summary>
    Host = Server | Client,
}
