using VmMigration.Engine;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>What several hosts answered to one question.</summary>
/// <param name="Items">What the hosts that answered have, in the order of the hosts.</param>
/// <param name="Failures">The hosts that did not answer, and why.</param>
internal sealed record HostAnswers<T>(IReadOnlyList<T> Items, IReadOnlyList<HostFailure> Failures)
{
    /// <summary>The same failures beside other items.</summary>
    public HostAnswers<TOther> With<TOther>(IReadOnlyList<TOther> items) => new(items, Failures);

    /// <summary>
    /// Refuses an answer without items: where a host could not be asked, nobody knows whether what was looked for is there.
    /// </summary>
    /// <param name="notFound">What to say where every host answered.</param>
    public HostAnswers<T> RequireSome(Func<MigrationException> notFound)
    {
        if (Items.Count > 0) return this;
        MigrationException missing = notFound();
        if (Failures.Count == 0) throw missing;
        HostFailure first = Failures[0];
        string silent = string.Join(", ", Failures.Select(failure => failure.Host.Name));
        throw new MigrationException(first.Exception.Reason,
            $"{missing.Message} Not asked could be: {silent}. {first.Exception.Message}", first.Exception.RecommendedAction, first.Exception);
    }
}

/// <summary>A host that did not answer.</summary>
/// <param name="Host">The host.</param>
/// <param name="Exception">Why.</param>
internal sealed record HostFailure(IMigrationHost Host, MigrationException Exception);
