namespace VmMigration.Engine.Paths;

/// <summary>Whether a network passes IPv4 packets on between its devices (<c>net.ipv4.ip_forward</c>, ip-sysctl.txt).</summary>
/// <param name="network">The network; the kernel shows each thread the setting of the one it is in.</param>
internal sealed class Ipv4Forwarding(PathNetwork network)
{
    private const string Setting = "/proc/sys/net/ipv4/ip_forward";

    /// <summary>Whether it does.</summary>
    public bool IsOn => network.Run(() => File.ReadAllText(Setting).Trim() != "0");

    /// <summary>Turns it on or off.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.AccessDenied"/>.</exception>
    public void Set(bool on) => network.Run(() =>
    {
        try
        {
            File.WriteAllText(Setting, on ? "1" : "0");
            return true;
        }
        catch (Exception error) when (error is UnauthorizedAccessException or IOException)
        {
            throw new MigrationException(
                MigrationErrorReason.AccessDenied, $"'{Setting}' could not be set to {(on ? 1 : 0)}: {error.Message}",
                "Set net.ipv4.ip_forward to 1 on the gateway, or run its agent with CAP_NET_ADMIN and a writable /proc/sys.", error);
        }
    });
}
