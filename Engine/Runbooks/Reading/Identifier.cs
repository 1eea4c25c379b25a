namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>The names that expressions can refer to: of parameters and steps.</summary>
internal static class Identifier
{
    public const int MaxLength = 64;
    public const string Rule = "Begin with a letter and use letters, digits, '-' and '_', at most 64 of them.";

    public static bool IsValid(string text) => text.Length is > 0 and <= MaxLength && char.IsAsciiLetter(text[0])
        && text.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_');
}
