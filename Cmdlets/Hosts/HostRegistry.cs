using System.Collections.Concurrent;
using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>The hosts of this process, by name without regard to case. All runspaces share them.</summary>
internal static class HostRegistry
{
    private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(10);
    private static readonly ConcurrentDictionary<string, IMigrationHost> Hosts = new(StringComparer.OrdinalIgnoreCase);

    static HostRegistry() => AppDomain.CurrentDomain.ProcessExit += (_, _) => CloseAll();

    /// <summary>Takes a newly opened host in; closes it again where its name is taken.</summary>
    public static async Task<IMigrationHost> AddAsync(
        string name, Func<CancellationToken, Task<IMigrationHost>> open, CancellationToken cancellationToken)
    {
        if (Hosts.ContainsKey(name)) throw NameTaken(name);
        return await AddAsync(open, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Takes a host in whose name is known only once it is open; closes it again where that is taken.</summary>
    public static async Task<IMigrationHost> AddAsync(
        Func<CancellationToken, Task<IMigrationHost>> open, CancellationToken cancellationToken)
    {
        IMigrationHost host = await open(cancellationToken).ConfigureAwait(false);
        if (Hosts.TryAdd(host.Name, host)) return host;
        await host.DisposeAsync().ConfigureAwait(false);
        throw NameTaken(host.Name);
    }

    /// <summary>The host of exactly this name; null where this session has none.</summary>
    public static IMigrationHost? TryGet(string name) => Hosts.GetValueOrDefault(name);

    /// <summary>The host of exactly this name.</summary>
    public static IMigrationHost Get(string name) => TryGet(name) ?? throw new MigrationException(
        MigrationErrorReason.HostNotFound, $"This session has no host '{name}'.",
        "Get-MigrationHost lists the hosts of this session; New-MigrationHost makes one, Connect-MigrationHost connects to an agent's.");

    /// <summary>All hosts, sorted by name.</summary>
    public static IReadOnlyList<IMigrationHost> All() => [.. Hosts.OrderBy(entry => entry.Key, StringComparer.OrdinalIgnoreCase)
        .Select(entry => entry.Value)];

    /// <summary>
    /// Asks the hosts side by side. One that fails leaves the answers of the others alone; one that another runspace closes meanwhile is
    /// left out, for it has nothing any more.
    /// </summary>
    /// <param name="hosts">The hosts.</param>
    /// <param name="question">What to ask each.</param>
    /// <param name="limit">Time each host has to answer; null leaves that to the host.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async Task<HostAnswers<(IMigrationHost Host, T Item)>> AskAllAsync<T>(
        IEnumerable<IMigrationHost> hosts, Func<IMigrationHost, CancellationToken, Task<IReadOnlyList<T>>> question, TimeSpan? limit,
        CancellationToken cancellationToken)
    {
        (IMigrationHost Host, IReadOnlyList<T> Items, MigrationException? Failure)[] answers = await Task.WhenAll(
            hosts.Select(host => AskAsync(host, question, limit, cancellationToken))).ConfigureAwait(false);
        return new(
            [.. answers.SelectMany(answer => answer.Items.Select(item => (answer.Host, item)))],
            [.. answers.Where(answer => answer.Failure is not null && IsOpen(answer.Host))
                .Select(answer => new HostFailure(answer.Host, answer.Failure!))]);
    }

    /// <summary>As <see cref="AskAllAsync"/>, for a question with one answer.</summary>
    public static Task<HostAnswers<(IMigrationHost Host, T Item)>> AskEachAsync<T>(
        IEnumerable<IMigrationHost> hosts, Func<IMigrationHost, CancellationToken, Task<T>> question, CancellationToken cancellationToken) =>
        AskAllAsync<T>(
            hosts, async (host, token) => [await question(host, token).ConfigureAwait(false)], limit: null, cancellationToken);

    /// <summary>Whether the host is one of this session still.</summary>
    public static bool IsOpen(IMigrationHost host) =>
        Hosts.TryGetValue(host.Name, out IMigrationHost? open) && ReferenceEquals(open, host);

    /// <summary>The hosts whose name matches; a pattern without wildcards must match one.</summary>
    public static IReadOnlyList<IMigrationHost> Find(string pattern)
    {
        if (!WildcardPattern.ContainsWildcardCharacters(pattern)) return [Get(pattern)];
        var wildcard = WildcardPattern.Get(pattern, WildcardOptions.IgnoreCase);
        return [.. All().Where(host => wildcard.IsMatch(host.Name))];
    }

    /// <summary>The hosts that were named, each once; all where none were.</summary>
    public static IReadOnlyList<IMigrationHost> Named(IReadOnlyList<MigrationHostReference>? hosts) =>
        hosts is null ? All() : [.. hosts.SelectMany(host => Find(host.Name)).Distinct()];

    /// <summary>Closes a host and forgets it. What becomes of its VMs is the host's contract.</summary>
    public static async Task CloseAsync(string name)
    {
        Get(name);
        if (Hosts.TryRemove(name, out IMigrationHost? host)) await host.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Closes all hosts, waiting a limited time: it runs where a process ends or a module goes.</summary>
    public static void CloseAll()
    {
        Task[] closing = [.. Hosts.Keys.Select(name => Task.Run(async () =>
        {
            if (Hosts.TryRemove(name, out IMigrationHost? host)) await host.DisposeAsync().ConfigureAwait(false);
        }))];
        Task.WaitAll(closing, CloseLimit);
    }

    private static async Task<(IMigrationHost Host, IReadOnlyList<T> Items, MigrationException? Failure)> AskAsync<T>(
        IMigrationHost host, Func<IMigrationHost, CancellationToken, Task<IReadOnlyList<T>>> question, TimeSpan? limit,
        CancellationToken cancellationToken)
    {
        using var source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (limit is { } time) source.CancelAfter(time);
        try
        {
            return (host, await question(host, source.Token).ConfigureAwait(false), null);
        }
        catch (MigrationException exception)
        {
            return (host, [], exception);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            return (host, [], new(MigrationErrorReason.TimedOut, $"Host {host.Name} did not answer within {limit}.", null, exception));
        }
    }

    private static MigrationException NameTaken(string name) => new(
        MigrationErrorReason.InvalidState, $"This session has a host '{name}' already.",
        "Choose another name, or take that host out of the session with Disconnect-MigrationHost.");
}
