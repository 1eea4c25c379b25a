namespace VmMigration.HostAgent.Configuration;

/// <summary>Reads a value from its text; false where the text is none.</summary>
internal delegate bool TryParse<T>(string text, out T? value);
