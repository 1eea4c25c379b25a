using System.Globalization;

namespace VmMigration.Cmdlets;

/// <summary>
/// A path argument: PowerShell makes it from a kind, from the id of a path that New-MobilityPath made, or from the path itself.
/// </summary>
public sealed class MobilityPathReference
{
    /// <param name="text">Direct, Overlay or Nat, in any case; or the id of a path.</param>
    /// <exception cref="FormatException">It is none of these.</exception>
    public MobilityPathReference(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string word = text.Trim();
        if (Enum.GetNames<MobilityPathKind>().Contains(word, StringComparer.OrdinalIgnoreCase))
        {
            Kind = Enum.Parse<MobilityPathKind>(word, ignoreCase: true);
            return;
        }

        PathId = Guid.TryParse(word, CultureInfo.InvariantCulture, out Guid id)
            ? id
            : throw new FormatException(
                $"'{text}' is no mobility path. Write {string.Join(", ", Enum.GetNames<MobilityPathKind>())}, or the id of a path.");
    }

    /// <param name="kind">The kind of a path to make for the migration.</param>
    public MobilityPathReference(MobilityPathKind kind) => Kind = kind;

    /// <param name="path">A path that is there.</param>
    public MobilityPathReference(MobilityPath path)
    {
        ArgumentNullException.ThrowIfNull(path);
        PathId = path.Id;
    }

    /// <summary>The kind of path to make; null where a path that is there is meant.</summary>
    public MobilityPathKind? Kind { get; }

    /// <summary>Id of the path that is meant; null where one is to be made.</summary>
    public Guid? PathId { get; }

    /// <summary>The kind, or the id of the path.</summary>
    public override string ToString() => Kind?.ToString() ?? PathId.ToString()!;
}
