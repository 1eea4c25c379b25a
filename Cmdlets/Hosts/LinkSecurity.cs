namespace VmMigration.Cmdlets;

/// <summary>How the connections that carry a VM between two hosts are protected.</summary>
public enum LinkSecurity
{
    /// <summary>Not at all: whoever is on the way can read and change the guest's memory.</summary>
    Plain = 1,

    /// <summary>TLS 1.3, with a one-time ticket for each migration.</summary>
    Tls = 2,
}
