using System.Diagnostics;
using System.Globalization;
using System.Net;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;

namespace VmMigration.Cmdlets;

/// <summary>Looks at a host for Test-MigrationHost.</summary>
internal sealed class HostProbe
{
    private readonly List<HostCheck> connection = [];
    private readonly string hostName;

    private HostProbe(string hostName) => this.hostName = hostName;

    /// <summary>What the host said of itself; null where it did not answer.</summary>
    public MigrationHost? Host { get; private set; }

    /// <summary>Whether it answers, over a connection that will do so tomorrow.</summary>
    public bool IsReachable => Host is not null && connection.All(check => check.Passed);

    /// <summary>Asks the host; one that does not answer is a finding, not an error.</summary>
    public static async Task<HostProbe> RunAsync(IMigrationHost host, CancellationToken cancellationToken)
    {
        var probe = new HostProbe(host.Name);
        try
        {
            // The first answer may include making the connection.
            probe.Host = MigrationHost.From(host, await host.DescribeAsync(cancellationToken).ConfigureAwait(false));
            if (host is not RemoteHost agent) return probe;
            long askedAt = Stopwatch.GetTimestamp();
            await host.ListMigrationsAsync(cancellationToken).ConfigureAwait(false);
            probe.Add("Connection", true, string.Create(CultureInfo.InvariantCulture,
                $"{agent.Uri} answers in {Stopwatch.GetElapsedTime(askedAt).TotalMilliseconds:F1} ms."));
            probe.CheckVersion(probe.Host.EngineVersion);
        }
        catch (MigrationException exception)
        {
            probe.Add("Connection", false, $"{exception.Message} {exception.RecommendedAction}".TrimEnd());
        }

        if (host is RemoteHost known)
        {
            // Also where it does not answer: one that has expired may be why.
            probe.CheckCertificate("Certificate", known.OwnCertificate);
            probe.CheckCertificate("Agent certificate", known.AgentCertificate);
        }

        return probe;
    }

    /// <summary>The single checks.</summary>
    /// <param name="asked">Hypervisors to look at.</param>
    /// <param name="requiredMemoryBytes">Memory that must be free.</param>
    public IEnumerable<HostCheck> Checks(Func<HostHypervisor, bool> asked, long requiredMemoryBytes)
    {
        foreach (HostCheck check in connection) yield return check;
        if (Host is null) yield break;
        foreach (HostHypervisor entry in Host.Hypervisors.Where(asked))
        {
            yield return new(hostName, entry.Hypervisor.ToString(), entry.IsAvailable, entry.Obstacle ?? "VMs can run here.");
        }

        yield return new(hostName, "Memory", Host.AvailableMemoryBytes >= requiredMemoryBytes, string.Create(CultureInfo.InvariantCulture,
            $"{Host.AvailableMemoryBytes >> 20} MiB of {Host.MemoryBytes >> 20} MiB are free for VMs."));
        yield return CheckLink(Host);
        foreach (HostPath path in Host.Paths.Where(path => path.Kind != MobilityPathKind.Direct))
        {
            yield return new(hostName, $"{path.Kind} path", path.IsAvailable, path.Obstacle ?? "The host can take part in such a path.");
        }
    }

    private static HostCheck CheckLink(MigrationHost host)
    {
        if (host.LinkSecurity == LinkSecurity.Tls) return new(host.Name, "Link", true, "VMs travel over TLS 1.3.");
        bool isLoopback = IPEndPoint.TryParse(host.Endpoint, out IPEndPoint? endpoint) && IPAddress.IsLoopback(endpoint.Address);
        return new(host.Name, "Link", isLoopback, isLoopback
            ? "VMs travel unprotected, over this machine's loopback address only."
            : "VMs travel unprotected: whoever is on the way can read and change their memory. Open the host with LinkSecurity Tls.");
    }

    private void CheckCertificate(string check, ShownCertificate? certificate)
    {
        if (certificate is null) return;
        bool isValid = certificate.ValidUntil > DateTimeOffset.UtcNow;
        Add(check, isValid, string.Create(CultureInfo.InvariantCulture,
            $"{certificate.Subject} {(isValid ? "is valid until" : "expired at")} {certificate.ValidUntil:u}."));
    }

    private void CheckVersion(string version) => Add("Version", version == EngineVersion.Present, version == EngineVersion.Present
        ? $"The agent and this module are {version}."
        : $"The agent is {version} and this module {EngineVersion.Present}: run the same on all machines.");

    private void Add(string check, bool passed, string message) => connection.Add(new(hostName, check, passed, message));
}
