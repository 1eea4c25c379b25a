using System.Net;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>The part of the preflight check that asks how the connections between two hosts will be protected.</summary>
internal static class LinkPreflight
{
    /// <summary>Adds what it finds: an error where the source demands more than the destination offers.</summary>
    /// <param name="source">The host the VM leaves.</param>
    /// <param name="destination">The host it goes to.</param>
    /// <param name="path">How it gets there: the ends of a mobility path are no loopback addresses, whatever the hosts listen on.</param>
    /// <param name="findings">Added to.</param>
    /// <param name="cancellationToken">Cancels the asking.</param>
    public static async Task CheckAsync(
        IMigrationHost source, IMigrationHost destination, MobilityPathChoice path, List<PreflightFinding> findings,
        CancellationToken cancellationToken)
    {
        HostDescription leaving = await source.DescribeAsync(cancellationToken).ConfigureAwait(false);
        HostDescription arriving = await destination.DescribeAsync(cancellationToken).ConfigureAwait(false);
        findings.Add(Describe(leaving, arriving, path.Kind != MobilityPathKind.Direct));
    }

    /// <summary>What the demands of two hosts come to.</summary>
    /// <param name="source">The host the VM leaves.</param>
    /// <param name="destination">The host it goes to.</param>
    /// <param name="overPath">Whether it goes over a mobility path.</param>
    internal static PreflightFinding Describe(HostDescription source, HostDescription destination, bool overPath)
    {
        bool leaves = overPath || !(IPEndPoint.TryParse(destination.Endpoint, out IPEndPoint? endpoint) && IPAddress.IsLoopback(endpoint.Address));
        LinkSecurity demanded = leaves ? source.NetworkLinkSecurity : source.LinkSecurity;
        LinkSecurity offered = overPath ? destination.NetworkLinkSecurity : destination.LinkSecurity;
        return (demanded, offered) switch
        {
            (_, LinkSecurity.Tls) => new(PreflightSeverity.Information, "LinkSecurity", "The VM travels inside TLS 1.3."),
            (LinkSecurity.Plain, LinkSecurity.Plain) => new(
                PreflightSeverity.Information, "LinkSecurity",
                "The VM travels in plain text: neither host demands TLS of the connections between them."),
            _ => new(PreflightSeverity.Error, "LinkSecurity", LinkPolicy.RefusalOf(source.Name, destination.Name), LinkPolicy.RefusalAction),
        };
    }
}
