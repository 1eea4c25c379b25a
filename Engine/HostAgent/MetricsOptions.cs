namespace VmMigration.HostAgent;

/// <summary>Where metrics can be read in the format of Prometheus, at the path <c>/metrics</c>, by anybody who reaches the address.</summary>
/// <param name="Listen"><c>http://ADDRESS:PORT</c> with an IP address of this machine; port 0 takes a free one.</param>
public sealed record MetricsOptions(Uri Listen)
{
    internal IEnumerable<string> FindProblems()
    {
        if (!ControlOptions.IsListener(Listen, Uri.UriSchemeHttp))
        {
            yield return $"'metrics.listen' is '{Listen}', which is no http://ADDRESS:PORT with an IP address.";
        }
    }
}
