namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>One step along a path.</summary>
/// <param name="Location">Where it stands.</param>
/// <param name="Name">Name of a property; null for an index.</param>
/// <param name="Index">Place in a list, from 0; negative counts from the end.</param>
internal sealed record ReferenceSegment(SourceLocation Location, string? Name, int Index = 0);
