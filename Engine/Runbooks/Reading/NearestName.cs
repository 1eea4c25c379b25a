namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>Finds the name somebody probably meant.</summary>
internal static class NearestName
{
    /// <summary>A hint that names the nearest known name, or all of them where none is near.</summary>
    public static string Hint(string written, IReadOnlyCollection<string> known)
    {
        if (known.Count == 0) return "There are none.";
        string? nearest = Find(written, known);
        return nearest is not null ? $"Did you mean '{nearest}'?" : $"Known are: {string.Join(", ", known)}.";
    }

    /// <summary>The known name with the fewest edits, where that is at most a third of its length (and at least one edit).</summary>
    public static string? Find(string written, IEnumerable<string> known)
    {
        // Longer than any name: comparing would only cost time.
        if (written.Length > 100) return null;
        (string Name, int Distance)[] near =
        [
            .. known.Select(name => (name, Distance(written.ToUpperInvariant(), name.ToUpperInvariant())))
                .Where(candidate => candidate.Item2 <= Math.Max(1, candidate.name.Length / 3)),
        ];
        return near.Length == 0 ? null : near.MinBy(candidate => candidate.Distance).Name;
    }

    /// <summary>Levenshtein distance: insertions, deletions and replacements from one text to the other.</summary>
    private static int Distance(string left, string right)
    {
        int[] previous = [.. Enumerable.Range(0, right.Length + 1)];
        int[] current = new int[right.Length + 1];
        for (int row = 1; row <= left.Length; row++)
        {
            current[0] = row;
            for (int column = 1; column <= right.Length; column++)
            {
                int replace = previous[column - 1] + (left[row - 1] == right[column - 1] ? 0 : 1);
                current[column] = Math.Min(replace, Math.Min(previous[column], current[column - 1]) + 1);
            }

            (previous, current) = (current, previous);
        }

        return previous[right.Length];
    }
}
