namespace VmMigration.Engine.Runbooks;

/// <summary>What a runbook is called and for.</summary>
/// <param name="Name">Its name: letters, digits, <c>. _ -</c>.</param>
/// <param name="Description">A sentence for people; null where there is none.</param>
public sealed record RunbookMetadata(string Name, string? Description);
