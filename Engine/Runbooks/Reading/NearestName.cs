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

    /// <summary>The known name with the fewest edits, where these are at most a third of its length, or one.</summary>
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

    /// <summary>Fewest insertions, deletions, replacements and swaps of neighbours from one text to the other.</summary>
    private static int Distance(string left, string right)
    {
        int[,] edits = new int[left.Length + 1, right.Length + 1];
        for (int row = 0; row <= left.Length; row++)
        {
            for (int column = 0; column <= right.Length; column++)
            {
                if (row == 0 || column == 0)
                {
                    edits[row, column] = row + column;
                    continue;
                }

                int replace = edits[row - 1, column - 1] + (left[row - 1] == right[column - 1] ? 0 : 1);
                int best = Math.Min(replace, Math.Min(edits[row - 1, column], edits[row, column - 1]) + 1);
                bool swapped = row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1];
                edits[row, column] = swapped ? Math.Min(best, edits[row - 2, column - 2] + 1) : best;
            }
        }

        return edits[left.Length, right.Length];
    }
}
