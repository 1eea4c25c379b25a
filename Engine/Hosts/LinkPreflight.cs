using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>The part of the preflight check that asks how the connections between two hosts will be protected.</summary>
internal static class LinkPreflight
{
    /// <summary>Adds what it finds: an error where the source demands more than the destination offers.</summary>
    public static async Task CheckAsync(
        IMigrationHost source, IMigrationHost destination, List<PreflightFinding> findings, CancellationToken cancellationToken)
    {
        LinkSecurity demanded = (await source.DescribeAsync(cancellationToken).ConfigureAwait(false)).LinkSecurity;
        LinkSecurity offered = (await destination.DescribeAsync(cancellationToken).ConfigureAwait(false)).LinkSecurity;
        findings.Add(Describe(source.Name, demanded, destination.Name, offered));
    }

    /// <summary>What the demands of two hosts come to.</summary>
    internal static PreflightFinding Describe(string sourceName, LinkSecurity demanded, string destinationName, LinkSecurity offered) =>
        (demanded, offered) switch
        {
            (_, LinkSecurity.Tls) => new(PreflightSeverity.Information, "LinkSecurity", "The VM travels inside TLS 1.3."),
            (LinkSecurity.Plain, LinkSecurity.Plain) => new(
                PreflightSeverity.Information, "LinkSecurity",
                "The VM travels in plain text: neither host demands TLS of the connections between them."),
            _ => new(
                PreflightSeverity.Error, "LinkSecurity", LinkPolicy.RefusalOf(sourceName, destinationName), LinkPolicy.RefusalAction),
        };
}
