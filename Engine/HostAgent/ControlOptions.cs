using System.Net;

namespace VmMigration.HostAgent;

/// <summary>Where an agent is controlled, and by whom: over mutual TLS, over a unix socket, or both.</summary>
public sealed record ControlOptions
{
    /// <summary>
    /// URIs to listen on, <c>https://ADDRESS:PORT</c> with an IP address of this machine (<c>0.0.0.0</c> and <c>[::]</c> for all); port 0
    /// takes a free one.
    /// </summary>
    public IReadOnlyList<Uri> Listen { get; init; } = [];

    /// <summary>What the agent shows and trusts; needed with <see cref="Listen"/>.</summary>
    public ControlCertificates? Certificates { get; init; }

    /// <summary>
    /// Common names and DNS names of the clients that may connect over TLS; empty lets in every client certificate of the authority. Whoever
    /// is let in may do everything: there are no lesser rights.
    /// </summary>
    public IReadOnlyList<string> Clients { get; init; } = [];

    /// <summary>The unix socket; null means none.</summary>
    public UnixSocketOptions? UnixSocket { get; init; }

    /// <summary>Most connections at a time, over all listeners; further ones are closed at once.</summary>
    public int MaxConnections { get; init; } = 1024;

    internal IEnumerable<string> FindProblems()
    {
        if (Listen.Count == 0 && UnixSocket is null) yield return "Neither 'control.listen' nor 'control.unixSocket.path' is given.";
        foreach (Uri uri in Listen.Where(uri => !IsListener(uri, Uri.UriSchemeHttps)))
        {
            yield return $"'control.listen' names '{uri}', which is no https://ADDRESS:PORT with an IP address.";
        }

        if (Listen.Count > 0 && Certificates is null)
        {
            yield return "'control.listen' needs 'control.certificate', 'control.key' and 'control.authority': there is no access without TLS.";
        }

        if (MaxConnections < 1) yield return $"'control.maxConnections' is {MaxConnections}, which is not positive.";
        foreach (string problem in UnixSocket?.FindProblems() ?? []) yield return problem;
    }

    /// <summary>Whether a URI names an address to listen on, and nothing more.</summary>
    internal static bool IsListener(Uri uri, string scheme) =>
        uri.IsAbsoluteUri && uri.Scheme == scheme && IPAddress.TryParse(uri.DnsSafeHost, out _) && uri.PathAndQuery == "/"
        && uri.UserInfo.Length == 0 && uri.Fragment.Length == 0;
}
