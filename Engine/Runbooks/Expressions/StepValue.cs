namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>What expressions see of a step that has ended.</summary>
/// <param name="Output">
/// null, the one object the cmdlet returned, or a list of several; with <c>forEach</c> a list with one such value an item.
/// </param>
/// <param name="Status">Name of its status.</param>
internal sealed record StepValue(object? Output, string Status);
