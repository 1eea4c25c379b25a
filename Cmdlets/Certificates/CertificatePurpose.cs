namespace VmMigration.Cmdlets;

/// <summary>What the holder of a certificate may be in a connection between hosts.</summary>
public enum CertificatePurpose
{
    /// <summary>Only the side that connects: for administrators' sessions.</summary>
    Client = 2,

    /// <summary>Either side: what a host's agent needs.</summary>
    Host = 3,
}
