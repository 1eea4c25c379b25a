namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>Shortens what a runbook holds so that it fits into a message of one line.</summary>
internal static class Shown
{
    private const int MaxLength = 60;

    public static string Text(string text)
    {
        string printable = string.Concat(text.Select(character => char.IsControl(character) ? ' ' : character));
        return printable.Length <= MaxLength ? printable : printable[..MaxLength] + "…";
    }
}
